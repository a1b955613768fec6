package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// places of a write, in their order: received, temporary file written, synced, renamed, and the folder
// synced but nothing answered.
var places = []string{"received", "written", "synced", "renamed", "durable"}

// managerRows are rows 13 to 27: a manager is lost at each place of each of its writes.
func managerRows(t *testing.T) {
	for _, verb := range []string{prepare, commit, abort} {
		for i, place := range places {
			for who, name := range []string{"coordinator", "other"} {
				ways := []string{"kill", "lost page cache"}
				if i >= 1 && i <= 3 { // at the others there is no disk to fail
					ways = append(ways, "enospc", "eio")
				}
				for _, way := range ways {
					t.Run(fmt.Sprintf("%s %s/%s/%s", verb, place, name, way), func(t *testing.T) {
						t.Parallel()
						cases.Add(1)
						loseManager(enter(t), verb, place, who, way)
					})
				}
			}
		}
	}
}

// loseManager loses one manager, the coordinator or another one, while it writes.
func loseManager(l *cluster, verb, place string, who int, way string) {
	c := l.change("create")
	m := l.managers[who]
	m.kill()
	killed := way == "kill" || way == "lost page cache"
	action := "kill"
	if !killed {
		action = way + "@1" // later writes of this kind go well
	}
	m.start(l.t, l.times, verb+"."+place+"="+action)
	l.network.set(func(msg message) verdict {
		if verb == abort && msg.verb == prepare && msg.manager == 2 {
			return drop // the vote that is missing makes the runner abort
		}
		return pass
	})
	r := l.run(c.script())
	<-r.done
	if killed {
		eventually(l.t, "the manager reaches the place", resolveWithin, func() bool {
			select {
			case <-m.done:
				return true
			default:
				return false
			}
		})
		if way == "lost page cache" {
			l.forget(m, place)
		}
		m.start(l.t, l.times, "")
	}
	l.verify(c, wantedOf(verb, place, who, way), r)
	if !killed {
		m.kill() // the next case finds no failpoint
		m.start(l.t, l.times, "")
	}
}

// wantedOf is how a change ends whose manager was lost there: as the disk of the coordinator says.
func wantedOf(verb, place string, who int, way string) outcome {
	if verb != commit {
		return outcomeAborted
	}
	if who != 0 {
		return outcomeCommitted // the coordinator has committed
	}
	switch {
	case place == "durable", place == "renamed" && way == "kill":
		return outcomeCommitted
	case way == "enospc", way == "eio":
		return eitherOutcome // the runner may try again within the time that it has
	}
	return outcomeAborted
}

// forget takes from a dead manager's disk what was not synced when it died.
func (l *cluster) forget(m *manager, place string) {
	l.t.Helper()
	temp := filepath.Join(m.dir, "catalog.json.tmp")
	current := filepath.Join(m.dir, "catalog.json")
	var err error
	switch place {
	case "written": // the file has its length and not its content
		err = os.Truncate(temp, 100)
	case "synced": // the folder does not know the file
		err = os.Remove(temp)
	case "renamed": // the rename is undone; the generation before has its old name
		err = os.Rename(current+".1", current)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}
