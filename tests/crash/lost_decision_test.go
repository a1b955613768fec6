package crash

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCrash_LostDecision makes the disk of a store's coordinator lose its commit, which nobody has heard of. All others
// have voted, so only a person can decide: repair_store says so and names the command. A restart changes nothing about
// that, and other names can be used meanwhile.
func TestCrash_LostDecision(t *testing.T) {
	for decide, want := range map[string]outcome{"make": outcomeCommitted, "drop": outcomeAborted} {
		t.Run(decide, func(t *testing.T) {
			t.Parallel()
			cl := enter(t)
			c := cl.change("create")
			m := cl.managers[0]
			m.kill()
			m.start(t, cl.times, "commit.durable=kill")
			<-cl.run(c.script()).done
			<-m.done
			m.loseLastWrite(t)
			m.start(t, cl.times, "")
			repair := "repair_store{" + `"` + c.store + `"` + ", timeout_sec = 2}"
			cl.says(repair, `decide = "make"`)
			m.kill()
			m.start(t, cl.times, "")
			cl.says(repair, `decide = "make"`)
			cl.freed(m)
			cl.cases++
			other := cl.change("create")
			cl.must(other.script())
			cl.says(repair, `decide = "make"`)
			cl.must("repair_store{" + `"` + c.store + `", decide = "` + decide + `"}:check()`)
			if got := cl.mustAgree(c, resolveWithin); got != want {
				t.Errorf("%s after decide = %q", got, decide)
			}
			cl.must("repair_store{" + `"` + c.store + `", decide = "` + decide + `"}:check()`) // nothing is left to decide
			cl.verify(c, want, nil)
		})
	}
}

// TestCrash_LostCommitOfTheCoordinator makes the disk of a store's coordinator lose a commit that others have followed,
// and then its vote for another change that nobody else has voted for: it finds both out by itself.
func TestCrash_LostCommitOfTheCoordinator(t *testing.T) {
	t.Parallel()
	cl := enter(t)
	c := cl.change("create")
	cl.must(c.script())
	m := cl.managers[0]
	copied := m.catalogFiles(t)
	add := c
	add.kind = "add"
	cl.must(add.script())
	m.kill()
	m.putBack(t, copied)
	m.loseLastWrite(t)
	m.start(t, cl.times, "")
	if got := cl.mustAgree(add, resolveWithin); got != outcomeCommitted {
		t.Errorf("the change that the others have is %s", got)
	}
	cl.freed(m)
	m.kill()
	m.start(t, cl.times, "prepare.durable=kill")
	cl.cases++
	next := cl.change("create")
	<-cl.run(next.script()).done
	<-m.done
	m.loseLastWrite(t)
	m.start(t, cl.times, "")
	cl.freed(m)
	cl.verify(next, outcomeAborted, nil)
	cl.verify(add, outcomeCommitted, nil)
}

// loseLastWrite damages the newest generation of a manager's catalog.
func (m *manager) loseLastWrite(t *testing.T) {
	t.Helper()
	path := filepath.Join(m.dir, "catalog.json")
	files := []string{path}
	if _, err := os.Stat(path + ".2"); err == nil { // the newest generation has a twin
		files = append(files, path+".1")
	}
	for _, file := range files {
		if err := os.Truncate(file, 100); err != nil {
			t.Fatal(err)
		}
	}
}

// catalogFiles returns the files of a manager's catalog.
func (m *manager) catalogFiles(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(m.dir, "catalog.json*"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		if out[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// putBack writes files of a manager that is down.
func (m *manager) putBack(t *testing.T, files map[string][]byte) {
	t.Helper()
	for path, text := range files {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// says runs a script until its output has a text.
func (cl *cluster) says(script, text string) {
	cl.t.Helper()
	eventually(cl.t, "the runner says "+text, resolveWithin, func() bool {
		r := cl.run(script)
		<-r.done
		return strings.Contains(r.out.String(), text)
	})
}

// freed waits until a manager that has lost a write votes for names again that it does not know.
func (cl *cluster) freed(m *manager) {
	cl.t.Helper()
	eventually(cl.t, m.ip+" votes for unknown names again", resolveWithin, func() bool {
		d, err := m.disk()
		return err == nil && !d.DoubtfulNames
	})
}
