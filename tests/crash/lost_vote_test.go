package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCrash_LostVote makes a manager's disk lose its vote for a new store, which the others commit. The manager must
// get the store from the store's coordinator, without a runner.
func TestCrash_LostVote(t *testing.T) {
	t.Parallel()
	cl := enter(t)
	c := cl.change("create")
	m := cl.managers[2]
	m.kill()
	m.start(t, cl.times, "commit.received=kill")
	r := cl.run(c.script())
	<-r.done
	<-m.done
	m.loseLastWrite(t)
	m.start(t, cl.times, "")
	cl.verify(c, outcomeCommitted, nil)
	cl.freed(m) // for the next case
}

// TestCrash_TwinKeepsVote damages the main file of a manager's catalog, which has its last vote: the twin has it too.
func TestCrash_TwinKeepsVote(t *testing.T) {
	t.Parallel()
	cl := enter(t)
	c := cl.change("create")
	m := cl.managers[2]
	m.kill()
	m.start(t, cl.times, "commit.received=kill")
	r := cl.run(c.script())
	<-r.done
	<-m.done
	if err := os.Truncate(filepath.Join(m.dir, "catalog.json"), 100); err != nil {
		t.Fatal(err)
	}
	m.start(t, cl.times, "")
	cl.verify(c, outcomeCommitted, nil)
	if strings.Contains(m.log.String(), "suspect") {
		t.Error("it is suspect")
	}
}

// TestCrash_UndoFails lets a manager's write fail where it can't be undone either: the manager ends without an answer,
// and the next start finds the old or the new state.
func TestCrash_UndoFails(t *testing.T) {
	t.Parallel()
	for who, verb := range []string{commit, prepare, commit} {
		t.Run(fmt.Sprintf("%s of manager %d", verb, who), func(t *testing.T) {
			t.Parallel()
			cl := enter(t)
			c := cl.change("create")
			m := cl.managers[who]
			m.kill()
			m.start(t, cl.times, verb+".renamed=eio@1,"+verb+".restored=eio@1")
			r := cl.run(c.script())
			eventually(t, "the manager ends by itself", resolveWithin, func() bool {
				select {
				case <-m.done:
					return true
				default:
					return false
				}
			})
			if !strings.Contains(m.log.String(), "may have the old or the new content") {
				t.Errorf("its log does not say why: %s", m.log)
			}
			m.start(t, cl.times, "")
			<-r.done
			cl.verify(c, eitherOutcome, r)
		})
	}
}
