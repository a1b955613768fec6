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
	store    string // the store that local_cluster created; empty for none
}

var localCluster = runtime.Builtin{
	Name: "local_cluster", Group: "Tests", Positional: 1,
	Doc: "Starts managers on this machine, each on a different loopback address, and makes them the session. With `instances` it also creates and starts a store on them. The managers and their stores end with the test or block that called it. " +
		"If a manager exits unexpectedly, the test fails at once.",
	Params: []runtime.Param{
		{Name: "servers", Type: runtime.Integer, Default: 3, Min: runtime.Bound(1), Max: runtime.Bound(local.MaxServers), Doc: "how many"},
		instancesParam,
		{Name: "store", Type: runtime.String, Default: "TestStore", Check: params.Check(wire.CheckName), Doc: "with `instances`: the store's name, and the prefix of its instances' names"},
		{Name: "secured", Type: runtime.Boolean, Doc: "managers and stores speak TLS, and the test is their admin; by default only with `dkvrun test --secured`"},
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
	secured := f.Secured
	if c.Given("secured") {
		secured = c.Bool("secured")
	}
	started := &localServers{}
	scope := r.Scope(c)
	before := scope.Session()
	if err := f.AtEnd(func(context.Context) error {
		scope.SetSession(before)
		if started.Cluster == nil {
			return nil
		}
		for _, m := range started.managers {
			f.Restored(m.String())
		}
		return started.Close()
	}); err != nil {
		return nil, err
	}
	started.Cluster, err = local.Start(c.Context(), local.Options{
		Servers: c.Int("servers"), Secured: secured, Manager: program, TempDir: f.TempDir, Died: f.Abort,
	})
	if err != nil {
		return nil, err
	}
	r.Reporter.Notice(started.Describe())
	if started.managers, err = fanout.ParseEndpoints(started.Endpoints(), wire.DefaultManagerPort); err != nil {
		return nil, err
	}
	f.Servers.Started(started.managers, started.Credential())
	nodes, err := wantedInstances(c, started.managers)
	if err != nil {
		return nil, err
	}
	if nodes == nil && !c.Bool("connect") {
		return started, nil
	}
	s, err := cluster.Connect(c.Context(), c.Name, r.Caller(c).Probe(c.Context(), started.managers), false)
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

// afterParam is the request after whose answer a fault is injected.
var afterParam = runtime.Param{Name: "after", Type: runtime.String, Enum: fixtures.HookPoints, Doc: "the request to wait for: the prepare, commit or abort of an operation, or the start or stop of an instance"}

var clusterType = &runtime.ObjectType{
	Name: "cluster",
	Doc:  "A throw-away cluster of a test, from `local_cluster`. Its methods make servers fail and recover.",
	Fields: []runtime.Field{
		{Name: "managers", Doc: "a list of `host:port`", Get: func(o runtime.Object) any { return o.(*localServers).Endpoints() }},
		{Name: "hosts", Doc: "a list of the servers' addresses", Get: func(o runtime.Object) any { return o.(*localServers).hosts() }},
		{Name: "secured", Doc: "true if it is secured", Get: func(o runtime.Object) any { return o.(*localServers).Credential() != nil }},
		{Name: "store", Doc: "the name of the store that `local_cluster` created, or nil", Get: func(o runtime.Object) any { return text.OrNil(o.(*localServers).store) }},
	},
	Methods: []runtime.Builtin{
		clusterCredential,
		{
			Name: "kill", Positional: 1,
			Doc: "Kills the manager and the instances of a server, as a power failure would: none of them shuts down cleanly. " +
				"With `after` it returns at once, and kills the server when its manager has answered the next request of that kind, before the answer is delivered; the test fails if there is no such request.",
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
			Doc:     "Restarts the manager of a server, or starts it if it doesn't run, and returns when it answers. The manager starts the instances that should run.",
			Params:  []runtime.Param{serverParam},
			Returns: "nothing",
			Example: `it("comes back", function()
  local cluster = local_cluster{servers = 2}
  cluster:kill(2)
  cluster:restart(2)
  assert.is_true(get_store().ok)
end)`,
			Impl: func(c *runtime.Call) (any, error) {
				return nil, toServer(run.Of(c), c, "restarted", func(k *localServers, i int) error {
					if err := k.Restart(c.Context(), i); err != nil {
						return err
					}
					run.Of(c).Fixtures.Restored(k.managers[i].String(), killed, paused)
					return nil
				})
			},
		},
		{
			Name: "pause", Positional: 1,
			Doc:     "Suspends all processes of a server until `resume`: connections to it stay open but get no answer. Unlike a server that is `cut` off, it does nothing meanwhile.",
			Params:  []runtime.Param{serverParam},
			Returns: "nothing",
			Example: `it("does not wait for ever", function()
  local cluster = local_cluster{servers = 2}
  cluster:pause(2)
  assert.are.equal("timeout", get_store{timeout_sec = 0.5}.unreachable[1].code)
end)`,
			Impl: func(c *runtime.Call) (any, error) {
				return nil, toServer(run.Of(c), c, paused, disturb(c, paused, (*local.Cluster).Pause))
			},
		},
		{
			Name: "resume", Positional: 1, Doc: "Resumes a paused server.", Params: []runtime.Param{serverParam}, Returns: "nothing",
			Example: `it("goes on", function()
  local cluster = local_cluster{servers = 2}
  cluster:pause(2)
  cluster:resume(2)
  assert.is_true(get_store().ok)
end)`,
			Impl: func(c *runtime.Call) (any, error) {
				return nil, toServer(run.Of(c), c, "resumed", restore(c, paused, (*local.Cluster).Resume))
			},
		},
		{
			Name: "cut", Positional: 1,
			Doc: "Disconnects a server from the network until `heal`: it keeps running, but no packets pass between it and the other servers or the test, also if the other server is cut off as well. " +
				"Requests to it time out. It stays cut off when it is killed and restarted. The call is refused while a server is paused, and it needs Linux. With `after` it returns at once, as `kill` does.",
			Params:  []runtime.Param{serverParam, afterParam},
			Returns: "nothing",
			Example: `it("goes on without the server", function()
  local cluster = local_cluster{servers = 3, instances = 1}
  cluster:cut(2)
  local store = connect_store{cluster.store, endpoints = cluster.hosts[1] .. ":7861"}
  assert.eventually(function() store:put("during", "kept") end)
end)`,
			Impl: func(c *runtime.Call) (any, error) {
				return nil, atHookPoint(run.Of(c), c, cutOff, disturb(c, cutOff, (*local.Cluster).Cut))
			},
		},
		{
			Name: "heal", Positional: 1,
			Doc:     "Reconnects a server that was cut off. Connections that stayed open retransmit only after a while, so tests should wait for the expected effect, for example with `assert.eventually`.",
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
				return nil, toServer(run.Of(c), c, "healed", restore(c, cutOff, (*local.Cluster).Heal))
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

// toServer calls do with the server of a call, and prints a notice.
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
	kill := (*local.Cluster).Kill
	if c.Bool("only_manager") {
		kill = (*local.Cluster).KillManager
	}
	return atHookPoint(r, c, killed, disturb(c, killed, kill))
}

// The faults that a test can cause, as notices say them.
const (
	killed = "killed"
	paused = "paused"
	cutOff = "cut off"
)

// disturb returns a function that causes a fault of a server. Tests need not check that it does not answer then.
func disturb(c *runtime.Call, fault string, do func(*local.Cluster, int) error) func(*localServers, int) error {
	return func(k *localServers, i int) error {
		run.Of(c).Fixtures.Disturb(k.managers[i].String(), fault)
		return do(k.Cluster, i)
	}
}

// restore returns a function that ends a fault of a server.
func restore(c *runtime.Call, fault string, do func(*local.Cluster, int) error) func(*localServers, int) error {
	return func(k *localServers, i int) error {
		if err := do(k.Cluster, i); err != nil {
			return err
		}
		run.Of(c).Fixtures.Restored(k.managers[i].String(), fault)
		return nil
	}
}

// atHookPoint calls do with the server of a call, at once or after the request that the call names.
func atHookPoint(r *run.Run, c *runtime.Call, what string, do func(k *localServers, i int) error) error {
	if !c.Given("after") {
		return toServer(r, c, what, do)
	}
	after := c.String("after")
	return toServer(r, c, "to be "+what+" after its "+after, func(k *localServers, i int) error {
		a := &fixtures.RequestHook{Manager: k.managers[i], Point: after, Do: func() error { return do(k, i) }}
		r.Fixtures.AddHook(a)
		return r.Fixtures.AtEnd(func(context.Context) error {
			if r.Fixtures.RemoveHook(a) {
				return c.Errorf("never", "%s: server %d was to be %s after its %s, which never came", c.Name, i+1, what, after)
			}
			return a.Err
		})
	})
}
