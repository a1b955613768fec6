package crash

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cases counts the cases of the matrix that have run.
var cases atomic.Int64

// TestCrash_Matrix runs every row of the crash matrix, in each variant.
func TestCrash_Matrix(t *testing.T) {
	began := time.Now()
	t.Cleanup(func() {
		fmt.Fprintf(os.Stderr, "crash matrix: %d cases in %s\n", cases.Load(), time.Since(began).Round(time.Second))
	})
	t.Run("runner", runnerRows)
	t.Run("manager", managerRows)
	t.Run("instance", instanceRows)
	t.Run("message", messageRows)
	t.Run("race", races)
}

// point is a moment in a change, identified by a message.
type point struct {
	manager int
	verb    string
	answer  bool
}

// row is a point at which the runner fails, and the outcome that the change must have.
type row struct {
	name string
	at   point
	want outcome
	// refusing drops the prepare to the last manager, so that the runner aborts.
	refusing bool
}

var runnerTable = []row{
	{"1 before the id", point{0, info, false}, outcomeAborted, false},
	{"2 just after the id", point{0, preflight, false}, outcomeAborted, false},
	{"3 coordinator prepared", point{0, prepare, true}, outcomeAborted, false},
	{"4 one other prepared", point{1, prepare, true}, outcomeAborted, false},
	{"5 all prepared", point{2, prepare, true}, outcomeAborted, false},
	{"6 coordinator committed, reply lost", point{0, commit, true}, outcomeCommitted, false},
	{"7 coordinator committed, reply seen", point{1, commit, false}, outcomeCommitted, false},
	{"8 one other told", point{1, commit, true}, outcomeCommitted, false},
	{"9 all committed", point{2, commit, true}, outcomeCommitted, false},
	{"11 abort not applied", point{0, abort, false}, outcomeAborted, true},
	{"12 coordinator aborted", point{0, abort, true}, outcomeAborted, true},
	{"12 coordinator and one other aborted", point{1, abort, true}, outcomeAborted, true},
}

func runnerRows(t *testing.T) {
	for _, r := range runnerTable {
		for _, way := range []string{"kill", "stop", "cut"} {
			for _, kind := range []string{"create", "add", "remove"} {
				t.Run(fmt.Sprintf("%s/%s/%s", r.name, way, kind), func(t *testing.T) {
					t.Parallel()
					cases.Add(1)
					lose(enter(t), r, way, kind)
				})
			}
		}
	}
}

// outage is how long a runner is suspended or disconnected: longer than the lease.
const outage = 3 * time.Second

// lose makes the runner of a change fail at a point: it is killed, suspended for some time, or disconnected for some
// time.
func lose(cl *cluster, row row, way, kind string) {
	c := cl.change(kind)
	cl.begin(c)
	var started sync.WaitGroup
	var r *runner
	var reached atomic.Bool
	var isolated atomic.Bool // no message of the runner arrives any more
	started.Add(1)
	cl.network.set(func(m message) verdict {
		started.Wait()
		switch {
		case m.verb == state:
			return pass
		case isolated.Load():
			return drop
		case row.refusing && m.verb == prepare && m.manager == 2:
			return drop
		case reached.Load() || (point{m.manager, m.verb, m.answer}) != row.at:
			return pass
		}
		reached.Store(true)
		switch way {
		case "kill":
			isolated.Store(true)
			r.kill()
		case "stop":
			r.stop()
			time.AfterFunc(outage, r.wake)
			return pass
		case "cut":
			isolated.Store(true)
			time.AfterFunc(outage, func() { isolated.Store(false) })
		}
		return drop
	})
	r = cl.run(c.script())
	started.Done()
	<-r.done
	if !reached.Load() {
		cl.t.Fatalf("the runner ended before the point:\n%s", r.out)
	}
	cl.verify(c, row.wanted(way), r)
}

// wanted returns the outcome that the change must have. A runner that was suspended before anything was prepared may
// find its own time limit exceeded, or complete the change.
func (r row) wanted(way string) outcome {
	prepared := r.at.verb != info && r.at.verb != preflight
	if way == "stop" && !prepared {
		return eitherOutcome
	}
	return r.want
}
