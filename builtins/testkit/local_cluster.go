package testkit

import (
	"context"
	"fmt"
	"net"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/fixtures"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/local"
	"dkvrun/runtime/wire"
)

// localServers is a throw-away cluster that a test has started.
type localServers struct {
	*local.Cluster
	managers []fanout.Endpoint
	store    string // that it came with, empty for none
}

var localCluster = runtime.Builtin{
	Name: "local_cluster", Group: "Tests", Positional: 1,
	Doc: "Starts managers on this machine, each on a loopback address of its own, and makes them the session; with `instances` there is a store on them that runs. They end, with all their stores, when the test or the block ends that called it. " +
		"A manager that dies by itself ends the test at once.",
	Params: []runtime.Param{
		{Name: "servers", Type: runtime.Integer, Default: 3, Min: runtime.Bound(1), Max: runtime.Bound(local.MaxServers), Doc: "how many"},
		instancesParam,
		{Name: "store", Type: runtime.String, Default: "TestStore", Check: params.Check(wire.CheckName), Doc: "with `instances`: the store's name, and the prefix of theirs"},
		{Name: "connect", Type: runtime.Boolean, Default: true, Doc: "make them the session"},
		params.Timeout(30),
	},
	Returns:    "the cluster",
	ReturnType: "cluster",
	Example: `it("takes writes", function()
  local cluster = local_cluster{servers = 3, instances = 1}
  connect_store(cluster.store):put("key", "value")
end)`,
	Impl: startCluster,
}

func startCluster(c *runtime.Call) (any, error) {
	r := run.Of(c)
	f := r.Fixtures
	program, err := f.Manager()
	if err != nil {
		return nil, err
	}
	started := &localServers{}
	scope := r.Scope(c)
	before := scope.Session()
	if err := f.AtEnd(func(context.Context) error {
		scope.SetSession(before)
		if started.Cluster == nil {
			return nil
		}
		return started.Close()
	}); err != nil {
		return nil, err
	}
	started.Cluster, err = local.Start(c.Context(), local.Options{
		Servers: c.Int("servers"), Manager: program, TempDir: f.TempDir, Died: f.Abort,
	})
	if err != nil {
		return nil, err
	}
	r.Reporter.Notice(started.Describe())
	if started.managers, err = fanout.ParseEndpoints(started.Endpoints(), wire.DefaultManagerPort); err != nil {
		return nil, err
	}
	nodes, err := wantedInstances(c, started.managers)
	if err != nil {
		return nil, err
	}
	if nodes == nil && !c.Bool("connect") {
		return started, nil
	}
	s, err := cluster.Connect(c.Context(), c.Name, r.Caller(c).Probe(c.Context(), started.managers, nil), false)
	if err != nil {
		return nil, err
	}
	if c.Bool("connect") {
		r.Scope(c).SetSession(s)
	}
	if nodes == nil {
		return started, nil
	}
	started.store = c.String("store")
	return started, createReadyStore(r, c, s, started.store, nodes)
}

// ObjectType makes a cluster visible to scripts.
func (k *localServers) ObjectType() *runtime.ObjectType { return clusterType }

// serverParam is the number of a server, from 1.
var serverParam = runtime.Param{Name: "server", Type: runtime.Integer, Required: true, Min: runtime.Bound(1),
	Max: runtime.Bound(local.MaxServers), Doc: "its number, from 1"}

// afterParam is for what happens to a server at a moment of its manager's.
var afterParam = runtime.Param{Name: "after", Type: runtime.String, Enum: fixtures.Moments, Doc: "the moment in an action: its vote, its commit or abort, an instance's start or stop"}

var clusterType = &runtime.ObjectType{
	Name: "cluster",
	Doc:  "A throw-away cluster of a test, from `local_cluster`. Its servers fail when they are told to.",
	Fields: []runtime.Field{
		{Name: "managers", Doc: "a list of `host:port`", Get: func(o runtime.Object) any { return o.(*localServers).Endpoints() }},
		{Name: "hosts", Doc: "a list of the servers' addresses", Get: func(o runtime.Object) any { return o.(*localServers).hosts() }},
		{Name: "store", Doc: "the name of the store that it came with, nil where it came with none", Get: func(o runtime.Object) any { return text.OrNil(o.(*localServers).store) }},
	},
	Methods: []runtime.Builtin{
		{
			Name: "kill", Positional: 1,
			Doc: "Ends a server as the loss of its power would: its manager, and its instances, get no time to shut down. " +
				"With `after` it returns at once, and the server ends when its manager has answered the next such request, before anybody gets the answer; the test fails if that never comes.",
			Params: []runtime.Param{
				serverParam,
				{Name: "only_manager", Type: runtime.Boolean, Default: false, Doc: "leave its instances running"},
				afterParam,
			},
			Returns: "nothing",
			Example: `it("goes on without a server", function()
  local cluster = local_cluster{servers = 3}
  new_store("OrdersStore", "orders"):check()
  cluster:kill(2)
  assert.are.equal(1, #get_store("OrdersStore").unreachable)
end)`,
			Impl: func(c *runtime.Call) (any, error) { return nil, killServer(c) },
		},
		{
			Name: "restart", Positional: 1,
			Doc:     "Starts the manager of a server again, ending it first where it runs, and returns when it answers. It starts those instances again that should run.",
			Params:  []runtime.Param{serverParam},
			Returns: "nothing",
			Example: `it("comes back", function()
  local cluster = local_cluster{servers = 2}
  cluster:kill(2)
  cluster:restart(2)
  assert.is_true(get_store().ok)
end)`,
			Impl: func(c *runtime.Call) (any, error) {
				return nil, toServer(run.Of(c), c, "restarted", func(k *localServers, i int) error { return k.Restart(c.Context(), i) })
			},
		},
		{
			Name: "pause", Positional: 1,
			Doc:     "Stops all processes of a server: connections to it stay open and get no answer, and it does nothing by itself either. One that is `cut` off goes on.",
			Params:  []runtime.Param{serverParam},
			Returns: "nothing",
			Example: `it("does not wait for ever", function()
  local cluster = local_cluster{servers = 2}
  cluster:pause(2)
  assert.are.equal("timeout", get_store{timeout_sec = 0.5}.unreachable[1].code)
end)`,
			Impl: func(c *runtime.Call) (any, error) {
				return nil, toServer(run.Of(c), c, "paused", func(k *localServers, i int) error { return k.Pause(i) })
			},
		},
		{
			Name: "resume", Positional: 1, Doc: "Lets a paused server go on.", Params: []runtime.Param{serverParam}, Returns: "nothing",
			Example: `it("goes on", function()
  local cluster = local_cluster{servers = 2}
  cluster:pause(2)
  cluster:resume(2)
  assert.is_true(get_store().ok)
end)`,
			Impl: func(c *runtime.Call) (any, error) {
				return nil, toServer(run.Of(c), c, "resumed", func(k *localServers, i int) error { return k.Resume(i) })
			},
		},
		{
			Name: "cut", Positional: 1,
			Doc: "Takes a server off the network: it goes on running, and nothing passes between it and the other servers or the test, in either direction, until `heal`; nor between two servers that are cut off. " +
				"Who asks it waits until the time is over. Killed and restarted it is still cut off. Refused while a server is paused; needs Linux. With `after` it returns at once, as `kill` does.",
			Params:  []runtime.Param{serverParam, afterParam},
			Returns: "nothing",
			Example: `it("goes on without the server", function()
  local cluster = local_cluster{servers = 3, instances = 1}
  cluster:cut(2)
  local store = connect_store{cluster.store, endpoints = cluster.hosts[1] .. ":7861"}
  assert.eventually(function() store:put("during", "kept") end)
end)`,
			Impl: func(c *runtime.Call) (any, error) {
				return nil, atMoment(run.Of(c), c, "cut off", func(k *localServers, i int) error { return k.Cut(i) })
			},
		},
		{
			Name: "heal", Positional: 1,
			Doc:     "Brings a server that was cut off back. What was sent over open connections meanwhile is sent again by and by: wait for what should come of it.",
			Params:  []runtime.Param{serverParam},
			Returns: "nothing",
			Example: `it("answers again", function()
  local cluster = local_cluster{servers = 2}
  cluster:cut(2)
  assert.are.equal(1, #get_store{timeout_sec = 0.5}.unreachable)
  cluster:heal(2)
  assert.eventually(function() return #get_store().unreachable == 0 end)
end)`,
			Impl: func(c *runtime.Call) (any, error) {
				return nil, toServer(run.Of(c), c, "healed", func(k *localServers, i int) error { return k.Heal(i) })
			},
		},
	},
	String: func(o runtime.Object) string { return o.(*localServers).Describe() },
}

func (k *localServers) hosts() []string {
	hosts := make([]string, len(k.managers))
	for i, m := range k.Endpoints() {
		hosts[i], _, _ = net.SplitHostPort(m)
	}
	return hosts
}

// toServer does something to the server of a call and notes it among the actions.
func toServer(r *run.Run, c *runtime.Call, what string, do func(k *localServers, i int) error) error {
	k, i := c.Self.(*localServers), c.Int("server")-1
	if i >= len(k.managers) {
		return c.Misuse("server", "got %d, but there are %d", i+1, len(k.managers))
	}
	if err := do(k, i); err != nil {
		return err
	}
	r.Reporter.Notice(fmt.Sprintf("server %d (%s) %s", i+1, k.managers[i], what))
	return nil
}

func killServer(c *runtime.Call) error {
	r := run.Of(c)
	return atMoment(r, c, "killed", func(k *localServers, i int) error {
		if c.Bool("only_manager") {
			return k.KillManager(i)
		}
		return k.Kill(i)
	})
}

// atMoment does something to the server of a call, at once or after what the call names.
func atMoment(r *run.Run, c *runtime.Call, what string, do func(k *localServers, i int) error) error {
	if !c.Given("after") {
		return toServer(r, c, what, do)
	}
	after := c.String("after")
	return toServer(r, c, "to be "+what+" after its "+after, func(k *localServers, i int) error {
		a := &fixtures.Awaited{Manager: k.managers[i], Moment: after, Do: func() error { return do(k, i) }}
		r.Fixtures.Await(a)
		return r.Fixtures.AtEnd(func(context.Context) error {
			if r.Fixtures.Forget(a) {
				return c.Errorf("never", "%s: server %d was to be %s after its %s, which never came", c.Name, i+1, what, after)
			}
			return a.Err
		})
	})
}
