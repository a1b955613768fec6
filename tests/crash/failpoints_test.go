package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// places are the failpoints of a write, in order: request received, temporary file written, synced, renamed, and folder
// synced but not answered.
var places = []string{"received", "written", "synced", "renamed", "durable"}

// managerRows runs rows 13 to 27: a manager fails at each place of each of its writes.
func managerRows(t *testing.T) {
	for _, verb := range []string{prepare, commit, abort} {
		for i, place := range places {
			for who, name := range []string{"coordinator", "other"} {
				ways := []string{"kill", "lost page cache"}
				if i >= 1 && i <= 3 { // the other places don't use the disk
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

// loseManager makes the coordinator or another manager fail while it writes.
func loseManager(cl *cluster, verb, place string, who int, way string) {
	c := cl.change("create")
	m := cl.managers[who]
	m.kill()
	killed := way == "kill" || way == "lost page cache"
	action := "kill"
	if !killed {
		action = way + "@1" // later writes of this kind succeed
	}
	m.start(cl.t, cl.times, verb+"."+place+"="+action)
	cl.network.set(func(msg message) verdict {
		if verb == abort && msg.verb == prepare && msg.manager == 2 {
			return drop // the runner aborts without this vote
		}
		return pass
	})
	r := cl.run(c.script())
	<-r.done
	if killed {
		eventually(cl.t, "the manager reaches the place", resolveWithin, func() bool {
			select {
			case <-m.done:
				return true
			default:
				return false
			}
		})
		if way == "lost page cache" {
			cl.forget(m, place)
		}
		m.start(cl.t, cl.times, "")
	}
	cl.verify(c, wantedOf(verb, place, who, way), r)
	if !killed {
		m.kill() // the next case must not run into the failpoint
		m.start(cl.t, cl.times, "")
	}
}

// wantedOf returns the outcome of a change during which a manager failed there: the one on the coordinator's disk.
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
		return eitherOutcome // the runner repeats the commit while it has time
	}
	return outcomeAborted
}

// forget reverts the writes that a killed manager had not synced to its disk at the given place.
func (cl *cluster) forget(m *manager, place string) {
	cl.t.Helper()
	temp := filepath.Join(m.dir, "catalog.json.tmp")
	current := filepath.Join(m.dir, "catalog.json")
	var err error
	switch place {
	case "written": // the file may be incomplete
		err = os.Truncate(temp, 100)
	case "synced": // the file has no entry in the folder
		err = os.Remove(temp)
	case "renamed": // the renames are lost: the previous generation is the current one again
		var main, twin []byte
		if main, err = os.ReadFile(current + ".2"); err == nil {
			twin, err = twinOf(main)
		}
		if err == nil {
			err = errors.Join(os.Remove(current), os.WriteFile(current, main, 0o600), os.Remove(current+".1"),
				os.WriteFile(current+".1", twin, 0o600))
		}
	}
	if err != nil {
		cl.t.Fatal(err)
	}
}

// twinOf returns the twin of a catalog's main file.
func twinOf(main []byte) ([]byte, error) {
	var f struct {
		Format         int             `json:"format"`
		Generation     uint64          `json:"generation"`
		Twin           bool            `json:"twin"`
		Checksum       string          `json:"checksum"`
		HeaderChecksum string          `json:"headerChecksum"`
		Payload        json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(main, &f); err != nil {
		return nil, err
	}
	f.Twin = true
	header := sha256.Sum256(fmt.Appendf(nil, "format %d generation %d twin true payload %s", f.Format, f.Generation, f.Checksum))
	f.HeaderChecksum = hex.EncodeToString(header[:])
	return json.Marshal(f)
}
