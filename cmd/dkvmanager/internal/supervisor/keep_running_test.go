package supervisor

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// TestSupervisor_KeepRunning checks what an older generation wants to run, by what it says, whether the instance runs,
// and what its folder has.
func TestSupervisor_KeepRunning(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	running := c.nodes["Orders"][0].Name
	creation := s.catalog.Snapshot().Stores["Orders"].Creation
	write := func(store, instance string, role wire.Role, operation string, withData bool) {
		folder := filepath.Join(s.opts.Dir, store, instance)
		if err := os.MkdirAll(filepath.Join(folder, dataDir(operation)), 0o700); err != nil {
			t.Fatal(err)
		}
		if withData {
			if err := os.MkdirAll(filepath.Join(folder, dataDir(operation), "member"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		err := writeSpec(folder, &engine.Spec{Store: store, Instance: instance, Operation: operation, Role: role})
		if err != nil {
			t.Fatal(err)
		}
	}
	write("Orders", "full", wire.Data, creation, true)
	write("Orders", "full-stopped", wire.Data, creation, true)
	write("Orders", "empty", wire.Data, creation, false)
	write("Orders", "gateway", wire.Gateway, creation, false)
	write("Orders", "other-creation", wire.Data, "x", true)
	write("Lost", "lost", wire.Data, creation, true)
	run, stop := wire.DesiredRunning, wire.DesiredStopped
	local := func(desired wire.Desired) *catalog.Local { return &catalog.Local{Desired: desired} }
	d := &catalog.Data{Stores: map[string]*catalog.Store{
		"Orders": {Name: "Orders", Creation: creation, Local: map[string]*catalog.Local{
			running: local(stop), "full": local(run), "full-stopped": local(stop), "empty": local(run), "gateway": local(run),
			"never": local(run), "other-creation": local(run),
		}},
		"Lost": {Name: "Lost", Creation: creation, Local: map[string]*catalog.Local{"lost": local(stop)}},
	}}
	d.SetName("Lost", func(n *catalog.Name) { n.DeclaredLost = true })
	if err := KeepRunning(s.opts.Dir, d); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]wire.Desired{
		running: run, "full": run, "full-stopped": stop, "empty": stop, "gateway": run, "never": stop, "other-creation": run,
	} {
		if got := d.Stores["Orders"].Local[name].Desired; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := d.Stores["Lost"].Local["lost"].Desired; got != stop {
		t.Errorf("an instance of a manager that was declared lost: %s", got)
	}
}
