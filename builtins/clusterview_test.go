package builtins

import (
	"dkvrun/builtins/report"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// clusterView is what three managers say of a store with one instance each; change spoils it.
func clusterView(change func(i int, in *wire.Instance)) *view {
	v := &view{name: "OrdersStore"}
	hosts := []string{"a", "b", "c"}
	for i, host := range hosts {
		store := &wire.Store{Name: "OrdersStore", Revision: 1, Digest: "d"}
		for j, other := range hosts {
			in := wire.Instance{
				Node:   wire.Node{Name: "orders-" + other, Host: other, ClustronPort: 7811, ClientPort: 7861, Role: wire.Data, Manager: other + ":7801"},
				Status: wire.Unknown,
			}
			if i == j {
				in.Own, in.Status, in.Ready, in.Desired, in.Bootstrapped = true, wire.Running, true, wire.DesiredRunning, true
				if change != nil {
					change(i, &in)
				}
			}
			store.Instances = append(store.Instances, in)
		}
		v.sightings = append(v.sightings, sighting{
			Member: Member{Endpoint: fanout.Endpoint{Scheme: "http", Host: host, Port: 7801}}, store: store, row: report.Row{Success: true},
		})
	}
	v.latest = v.sightings[0].store
	v.merge()
	return v
}

func stopFirst(n int) func(int, *wire.Instance) {
	return func(i int, in *wire.Instance) {
		if i < n {
			in.Status, in.Ready, in.Desired = wire.Stopped, false, wire.DesiredStopped
		}
	}
}
