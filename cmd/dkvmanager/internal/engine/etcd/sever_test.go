package etcd

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/netfault"
)

// isolatedMember returns a store of three members of which one that does not lead is disconnected from the others.
func isolatedMember(t *testing.T) (controller *netfault.Controller, off, other *instance) {
	t.Helper()
	controller, err := netfault.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := controller.Close(); err != nil {
			t.Error(err)
		}
	})
	store := newStore(t, 3, 0)
	for _, in := range store {
		in.netFaultSocket = controller.File()
		in.start()
	}
	for _, in := range store {
		switch {
		case in.ready().Leader:
		case off == nil:
			off = in
		default:
			other = in
		}
	}
	if err := controller.Set([]netip.Addr{netip.MustParseAddr(off.spec.Host)}); err != nil {
		t.Fatal(err)
	}
	return controller, off, other
}

// A member that starts while it is disconnected opens connections that the others accept but that carry nothing. It
// catches up when the network is healed.
func TestSever_MemberStartsDisconnected(t *testing.T) {
	controller, off, other := isolatedMember(t)
	off.kill()
	other.put("during", "kept")
	off.spec.Start = engine.Resume
	off.start()
	off.state("alone", func(s engine.State) bool {
		return strings.HasPrefix(s.Reason, "waiting for the other data instances: 1 of 3 are up")
	})
	for range 40 {
		if keyCount := off.metrics()["Storage/ItemsCount"]; keyCount != 0 {
			t.Fatalf("the member that is cut off holds %v items that were written meanwhile", keyCount)
		}
		time.Sleep(25 * time.Millisecond) // no condition shows that nothing arrives
	}
	if err := controller.Set(nil); err != nil {
		t.Fatal(err)
	}
	off.ready()
	if got := off.get("during"); got != "kept" {
		t.Errorf("after it is healed it has %q", got)
	}
}

// The others elect a leader, and the disconnected member follows it when the network is healed.
func TestSever_MemberIsDisconnected(t *testing.T) {
	controller, off, other := isolatedMember(t)
	off.state("alone", func(s engine.State) bool { return !s.Ready && !s.Leader })
	other.put("during", "kept")
	if keyCount := off.metrics()["Storage/ItemsCount"]; keyCount != 0 {
		t.Errorf("the member that is cut off holds %v items that were written meanwhile", keyCount)
	}
	if err := controller.Set(nil); err != nil {
		t.Fatal(err)
	}
	off.ready()
	if got := off.get("during"); got != "kept" {
		t.Errorf("after it is healed it has %q", got)
	}
}

// A joiner connects to the members of its first list in another way than to those that come later. With the socket for
// network faults, also after a fault, it stops like any other.
func TestSever_JoinerStops(t *testing.T) {
	t.Parallel()
	controller, err := netfault.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := controller.Close(); err != nil {
			t.Error(err)
		}
	})
	store := newStore(t, 2, 0)
	first, joiner := store[0], store[1]
	first.spec.Peers = first.spec.Peers[:1]
	for _, in := range store {
		in.netFaultSocket = controller.File()
	}
	first.start()
	first.ready()
	join(t, store[0].membership(), joiner)
	if err := controller.Set([]netip.Addr{netip.MustParseAddr(first.spec.Host)}); err != nil {
		t.Fatal(err)
	}
	joiner.state("alone", func(s engine.State) bool { return !s.Ready })
	if took := joiner.stop(); took > 5*time.Second {
		t.Errorf("the joiner took %v to stop", took)
	}
	joiner.spec.Start = engine.Resume
	if err := controller.Set(nil); err != nil {
		t.Fatal(err)
	}
	joiner.start()
	joiner.ready()
	first.kill()
	joiner.state("alone", func(s engine.State) bool { return !s.Ready })
	if took := joiner.stop(); took > 5*time.Second {
		t.Errorf("the joiner took %v to stop", took)
	}
}
