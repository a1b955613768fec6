// Package clustertest makes the responses of a small cluster, for tests of code that reads responses.
package clustertest

import (
	"encoding/json"
	"net/http"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/report"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// Store is the name of the store that the responses describe.
const Store = "OrdersStore"

// Responses returns the responses of the managers a, b and c about a store with one running instance on each; b is
// its coordinator. change, unless nil, modifies the instance that manager i reports as its own.
func Responses(change func(i int, in *wire.Instance)) []cluster.Response {
	hosts := []string{"a", "b", "c"}
	var out []cluster.Response
	for i, host := range hosts {
		store := &wire.Store{Name: Store, Revision: 1, Digest: "d", LastOperation: "op-1", Coordinator: "id-b"}
		for j, other := range hosts {
			store.Managers = append(store.Managers, wire.Manager{Identity: "id-" + other, URL: "http://" + other + ":7801"})
			in := wire.Instance{
				Node: wire.Node{
					Name: "orders-" + other, Host: other, ClustronPort: 7811, ClientPort: 7861, Role: wire.Data, Manager: other + ":7801",
				},
				Status: wire.Unknown,
			}
			if i == j {
				in.Own, in.Status, in.Ready, in.Desired, in.Bootstrapped = true, wire.Running, true, wire.DesiredRunning, true
				if change != nil {
					change(i, &in)
				}
				store.Status, _ = wire.StoreStatusOf([]wire.Instance{in})
			}
			store.Instances = append(store.Instances, in)
		}
		body, err := json.Marshal(store)
		if err != nil {
			panic(err)
		}
		out = append(out, cluster.Response{
			Member: cluster.Member{Endpoint: fanout.Endpoint{Scheme: "http", Host: host, Port: 7801}},
			Answer: fanout.Answer{Status: http.StatusOK, Body: body}, Row: report.Row{Success: true},
		})
	}
	return out
}

// View returns the view of the responses that Responses returns.
func View(change func(i int, in *wire.Instance)) *cluster.View {
	return cluster.NewView(Store, Responses(change))
}

// StopFirst returns a change that stops the first n instances.
func StopFirst(n int) func(int, *wire.Instance) {
	return func(i int, in *wire.Instance) {
		if i < n {
			in.Status, in.Ready, in.Desired = wire.Stopped, false, wire.DesiredStopped
		}
	}
}
