package crash

import (
	"os"
	"path/filepath"
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
	if err := os.Truncate(filepath.Join(m.dir, "catalog.json"), 100); err != nil {
		t.Fatal(err)
	}
	m.start(t, cl.times, "")
	cl.verify(c, outcomeCommitted, nil)
	m.kill() // for the next case: a restart with an undamaged catalog ends the suspicion
	m.start(t, cl.times, "")
}
