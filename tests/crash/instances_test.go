package crash

import (
	"fmt"
	"testing"

	"dkvrun/runtime/wire"
)

// instanceRows runs rows 28 to 30: a manager crashes while it starts an instance. Afterwards there must be exactly one
// process, or none until the instance is started again.
func instanceRows(t *testing.T) {
	for _, row := range []struct {
		name      string
		failpoint string // in the manager's own writes: the first records the start, the second that the instance has run
		lost      bool
		with      bool // the instance is killed too
		want      int  // number of processes before the next start
	}{
		{"28 start recorded, not spawned/kill", ".renamed=kill@1", false, false, 1},
		{"28 start recorded, not spawned/lost page cache", ".renamed=kill@1", true, false, 0},
		{"29 spawned, not recorded/kill", ".synced=kill@2", false, false, 1},
		{"29 spawned, not recorded/lost page cache", ".renamed=kill@2", true, false, 1},
		{"30 recorded/kill", "", false, false, 1},
		{"30 recorded/kill both", "", false, true, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cases.Add(1)
			cl := enter(t)
			c := cl.change("create")
			m := cl.managers[1]
			cl.must(fmt.Sprintf("new_store{%q, nodes = {{name = %q, host = %q, clustron_port = %d, client_port = %d}}}:check()", c.store, "p-1", m.adv, c.port, c.port+2))
			start := fmt.Sprintf("start_instance(%q, %q):check()", c.store, "p-1")
			m.kill()
			m.start(t, cl.times, row.failpoint)
			if row.failpoint == "" {
				cl.must(start)
				cl.ready(m, c)
				m.kill()
			} else {
				cl.run(start)
				eventually(t, "the manager reaches the place", patience, func() bool {
					select {
					case <-m.done:
						return true
					default:
						return false
					}
				})
			}
			if row.lost {
				cl.forget(m, "renamed")
			}
			if row.with {
				m.end(m.processes(c.store))
			}
			m.start(t, cl.times, "")
			if row.want == 1 {
				cl.ready(m, c)
			}
			if n := len(m.processes(c.store)["p-1"]); n != row.want {
				t.Errorf("%d processes after the restart, want %d", n, row.want)
			}
			cl.must(start)
			cl.ready(m, c)
			if n := len(m.processes(c.store)["p-1"]); n != 1 {
				t.Errorf("%d processes after another start, want 1", n)
			}
			cl.must(fmt.Sprintf("stop_store(%q):check()", c.store))
			c.kind = "remove"
			cl.must(c.script())
			if n := m.processes(c.store); len(n) > 0 {
				t.Errorf("%v of a removed store", n)
			}
		})
	}
}

// ready waits until the store's instance serves reads and writes.
func (cl *cluster) ready(m *manager, c change) {
	cl.t.Helper()
	eventually(cl.t, "p-1 is ready", patience, func() bool {
		var s wire.Store
		return m.get(wire.StorePath(c.store), &s) == nil && s.Instances[0].Ready
	})
}
