package testkit

import (
	"fmt"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
	"dkvrun/runtime/commit"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// maxPerServer is the maximum number of instances on a server: cluster ports must stay below the client ports.
const maxPerServer = wire.DefaultClientPort - wire.DefaultClustronPort

// readyTimeout is the time limit for the store of a cluster to become ready.
const readyTimeout = time.Minute

var instancesParam = runtime.Param{
	Name: "instances", Type: runtime.Any, Check: checkInstances,
	Doc: "creates a store, starts it and waits until it is ready: the number of instances on each server, or a list of instances in the form of `new_store`'s `nodes`, where `host` is the number of a server and the other fields are optional: `{{host = 1}, {host = 2}, {host = 2}}`",
}

// checkInstances checks the parameter instances as far as possible without the cluster.
func checkInstances(v any) error {
	if n, whole := v.(int); whole && (n < 1 || n > maxPerServer) {
		return fmt.Errorf("%d on each server: want 1 to %d", n, maxPerServer)
	} else if whole {
		return nil
	}
	items, listed := v.([]any)
	if !listed || len(items) == 0 {
		return fmt.Errorf("want how many on each server, or a list such as {{host = 1}, {host = 2}}")
	}
	_, err := placed(items, nil)
	return err
}

// wantedInstances returns the nodes of the store that a call describes, on the servers of a cluster, or nil if the
// call describes none.
func wantedInstances(c *runtime.Call, servers []fanout.Endpoint) ([]wire.Node, error) {
	switch instances := c.Value("instances").(type) {
	case int:
		plan := topology.Plan{
			Prefix: c.String("store"), Count: instances,
			ClustronPort: wire.DefaultClustronPort, ClientPort: wire.DefaultClientPort,
		}
		return plan.Nodes(c, servers)
	case []any:
		nodes, err := placed(instances, servers)
		if err != nil {
			return nil, c.Misuse("instances", "%v", err)
		}
		return named(c.String("store"), nodes), nil
	}
	if c.Given("store") {
		return nil, c.Misuse("store", "requires instances, which says where the store runs: instances = 1")
	}
	return nil, nil
}

// placed reads a list of instances whose hosts are numbers of servers. Without servers it accepts any number.
func placed(items []any, servers []fanout.Endpoint) ([]wire.Node, error) {
	nodes := make([]wire.Node, len(items))
	for i, item := range items {
		fields, named := item.(map[string]any)
		number, whole := fields["host"].(int)
		switch {
		case !named:
			return nil, fmt.Errorf("instances[%d] is not a table such as {host = 1}", i+1)
		case !whole || number < 1:
			return nil, fmt.Errorf("instances[%d].host: want the number of a server, from 1", i+1)
		case servers != nil && number > len(servers):
			return nil, fmt.Errorf("instances[%d].host: got %d, but there are %d servers", i+1, number, len(servers))
		}
		for key, value := range fields {
			if key == "host" {
				continue
			}
			if err := topology.SetField(&nodes[i], key, value); err != nil {
				return nil, fmt.Errorf("instances[%d].%s: %v", i+1, key, err)
			}
		}
		if servers != nil {
			nodes[i].Host, nodes[i].Manager = servers[number-1].Host, servers[number-1].String()
		}
	}
	return nodes, nil
}

// named sets missing names and ports of nodes, as in a generated topology.
func named(prefix string, nodes []wire.Node) []wire.Node {
	onHost := map[string]int{}
	for i := range nodes {
		n := &nodes[i]
		if n.Name == "" {
			n.Name = fmt.Sprintf("%s-%d", prefix, i+1)
		}
		if n.ClustronPort == 0 {
			n.ClustronPort = wire.DefaultClustronPort + onHost[n.Host]
		}
		if n.ClientPort == 0 {
			n.ClientPort = wire.DefaultClientPort + onHost[n.Host]
		}
		onHost[n.Host]++
	}
	return nodes
}

// createReadyStore creates a store on the servers of a session, starts it and waits until it is ready.
func createReadyStore(r *run.Run, c *runtime.Call, s *cluster.Session, store string, nodes []wire.Node) error {
	if err := topology.Check(c, nodes); err != nil {
		return err
	}
	began := time.Now()
	for _, do := range []func() error{
		func() error { return makeStore(r, c, s, store, nodes) },
		func() error { return startAll(r, c, s, store, nodes) },
		func() error { return awaitReady(r, c, s, store) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	r.Reporter.Notice(fmt.Sprintf("store %s on it, ready after %s", store, time.Since(began).Round(time.Millisecond)))
	return nil
}

func makeStore(r *run.Run, c *runtime.Call, s *cluster.Session, store string, nodes []wire.Node) error {
	p, err := r.Propose(s, &cluster.View{Name: store}, wire.CreateAction)
	if err != nil {
		return err
	}
	p.Change.Nodes, p.Change.Desired = wire.AssignRoles(nodes), wire.DesiredStopped
	p.Change.Founders = wire.Founders(p.Change.Nodes)
	runner := &commit.Driver{
		Transport: r.Transport(c, s), Clock: run.Clock{},
		Operation: p.Change, Claimed: topology.Names(nodes), Verb: "Created", Parallel: true, DecideTimeout: params.QueryTimeout(c),
	}
	for _, m := range s.Members() {
		runner.Names = append(runner.Names, m.Endpoint.String())
	}
	if out := runner.Run(c.Context()); out.State != commit.Committed {
		return c.Errorf("store_not_made", "local_cluster: %s was not made: %s", store, run.FirstFailure(out))
	}
	return nil
}

func startAll(r *run.Run, c *runtime.Call, s *cluster.Session, store string, nodes []wire.Node) error {
	requests := make([]fanout.Request, len(nodes))
	steps := make([]*run.Request, len(nodes))
	for i, n := range nodes {
		at, err := fanout.ParseEndpoints([]string{n.Manager}, wire.DefaultManagerPort)
		if err != nil {
			return err
		}
		steps[i] = run.NewRequests([]cluster.Member{{Endpoint: at[0]}}, wire.ActionRequest{
			Action: run.Start.Action, Store: store, Instance: n.Name,
		})[0]
		requests[i] = steps[i].Send()
	}
	for i, answer := range r.Client.Do(c.Context(), requests, fanout.Options{Timeout: params.QueryTimeout(c)}) {
		if row := steps[i].Read(answer); !row.Success {
			return c.Errorf(row.Code, "local_cluster: %s did not start: %s", row.Instance, row.Message)
		}
	}
	return nil
}

func awaitReady(r *run.Run, c *runtime.Call, s *cluster.Session, store string) error {
	waiting := "no manager answered"
	err := r.Poll(c, readyTimeout, func() (string, bool, error) {
		v, err := r.ViewOf(c, s, store)
		if err != nil || v.Latest == nil {
			return waiting, false, err
		}
		waiting = text.Few(v.NotReady(""))
		return waiting, waiting == "", nil
	})
	if err == run.ErrTimeUp {
		return c.Errorf("timeout", "local_cluster: %s is not ready after %s: %s", store, readyTimeout, waiting)
	}
	return err
}
