package stores

import (
	"fmt"
	"reflect"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

var GetStore = runtime.Builtin{
	Name: "get_store", Group: "Queries", Positional: 1,
	Doc:        "Queries every manager about one store, or about all stores.",
	Params:     params.Join([]runtime.Param{params.Optional(params.Name)}, params.Query()),
	Returns:    "a list with one row per manager and store, and the fields `ok` and `unreachable`",
	ReturnType: "rows of store row",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
for _, row in ipairs(get_store()) do print(row.manager, row.store, row.status) end`,
	Impl: getStore,
}

func getStore(c *runtime.Call) (any, error) {
	r := run.Of(c)
	path, read := wire.StoresPath(), readSummaries
	if c.Has("name") {
		path, read = wire.StorePath(c.String("name")), summaryReader(c.String("name"))
	}
	all, err := r.Query(c, path, read)
	if err != nil {
		return nil, err
	}
	items := make([]any, 0, len(all))
	var silent []report.Row
	for i := range all {
		h := &all[i]
		if !h.Answered() {
			silent = append(silent, h.Row)
			continue
		}
		stores, _ := h.Value.([]wire.StoreSummary)
		lost := false
		for i := range stores {
			items = append(items, storeRecord(h.Endpoint, &stores[i]))
			lost = lost || stores[i].Revision == 0
		}
		if lost && !c.Has("name") { // there may be more stores than those that it finds
			silent = append(silent, cluster.ReadOnlyRow(h.Endpoint))
		}
	}
	return r.Rows(c, items, silent, len(all))
}

// readSummaries reads a list of stores.
func readSummaries(body []byte) (any, error) { return wire.ParseStoreSummaries(body) }

// summaryReader returns the Reader of the description of one store.
func summaryReader(name string) cluster.Reader {
	return func(body []byte) (any, error) {
		store, err := wire.ParseStoreSummary(body)
		if err == nil && store.Name != name {
			err = fmt.Errorf("it is about another store")
		}
		return []wire.StoreSummary{store}, err
	}
}

var StoreType = &runtime.RecordType{Name: "store row", Doc: "A store as one manager sees it: counts and status are of its own instances.", Fields: []runtime.Field{
	{Name: "manager", Doc: "host:port"},
	{Name: "store", Doc: "the store's name"},
	{Name: "status", Doc: "`NoInstances`, `Running`, `Stopped`, `Partial` or `Unknown`"},
	{Name: "instance_count", Doc: "the manager's own instances"},
	{Name: "running_instances", Doc: "those of them that are running"},
	{Name: "stopped_instances", Doc: "those of them that are not running"},
	{Name: "participating_nodes", Doc: "all instances of the topology"},
	{Name: "revision", Doc: "the topology's revision, from 1; 0 if the manager can't read its catalog"},
	{Name: "instances", Type: "list of instance", Doc: "the topology, with the state of the manager's own instances"},
	{Name: "health", Doc: "`ready`; `degraded` if the manager may have forgotten votes about the store; `read-only` if it refuses every change"},
	{Name: "doubt", Doc: "why the health is not `ready`, and the next command; nil if it is"},
}}

func storeRecord(at fanout.Endpoint, s *wire.StoreSummary) runtime.Record {
	return runtime.Record{Type: StoreType, Get: func(field string) any {
		switch field {
		case "manager":
			return at.String()
		case "store":
			return printable.Line(s.Name)
		case "status":
			return printable.Line(string(s.Status))
		case "instance_count":
			return s.Own
		case "running_instances":
			return s.Running
		case "stopped_instances":
			return s.Own - s.Running
		case "participating_nodes":
			return s.Instances
		case "revision":
			return s.Revision
		case "health":
			return string(summaryCondition(s).Health)
		case "doubt":
			c := summaryCondition(s)
			if c.Next != "" {
				c.Why += "; " + c.Next
			}
			return text.OrNil(printable.Line(c.Why))
		case "instances":
			return runtime.LazyList{Len: s.Instances, Make: func() runtime.List {
				list := runtime.List{}
				store := s.Store()
				cluster.Escape(reflect.ValueOf(&store))
				for _, in := range store.Instances {
					list.Items = append(list.Items, instanceRecord(in))
				}
				return list
			}}
		}
		return nil
	}}
}

// summaryCondition returns how far the manager can be relied on for the store.
func summaryCondition(s *wire.StoreSummary) wire.Condition {
	switch {
	case s.Condition != nil:
		return *s.Condition
	case s.Revision == 0: // an older manager
		lost := cluster.ReadOnlyRow(fanout.Endpoint{})
		return wire.Condition{Health: wire.HealthReadOnly, Why: lost.Message, Next: lost.Hint}
	}
	return wire.Condition{Health: wire.HealthReady}
}

var InstanceType = &runtime.RecordType{Name: "instance", Doc: "One instance of a store.", Fields: []runtime.Field{
	{Name: "name", Doc: "its name"},
	{Name: "host", Doc: "its server"},
	{Name: "clustron_port", Doc: "its cluster port, the port for the store's other instances"},
	{Name: "client_port", Doc: "its port for applications; nil for a member of the running store that no manager knows"},
	{Name: "manager", Doc: "host:port of its manager"},
	{Name: "role", Doc: "`data` or `gateway`"},
	{Name: "status", Doc: "`Stopped`, `Starting`, `Running`, `Stopping`, `CrashLooping`, `Joining`, `Leaving` or `Unknown`"},
	{Name: "desired", Doc: "the desired state, `Running` or `Stopped`; nil if it is not known"},
	{Name: "ready", Doc: "true when its status is `Running` and it takes reads and writes"},
	{Name: "leader", Doc: "true for the data instance that leads"},
	{Name: "pid", Doc: "its process id, nil if it isn't running"},
	{Name: "restarts", Doc: "the number of restarts after a crash"},
	{Name: "started_at", Doc: "the time of its start, in UTC as RFC 3339; nil if it isn't running"},
	{Name: "last_error", Doc: "the last error, or nil"},
	{Name: "client_tls", Doc: "whether its client port requires TLS (`require`) or takes plain connections as well (`prefer`); nil if it speaks no TLS or isn't running"},
	{Name: "cluster_tls", Doc: "true if its cluster port speaks TLS"},
	{Name: "access_stale_since", Doc: "the time since which it may lack revocations, in UTC as RFC 3339, if that is more than a minute ago: " +
		"its manager hears no other manager, or can't write the instance's keys; else nil"},
	{Name: "build", Doc: "the version and commit of the program that its process runs, such as `0.1.0+2d64b17e41aa`; nil of an older program, or if it isn't running"},
	{Name: "other_build", Doc: "true if its process runs another program than its manager, usually that before an upgrade: `restart_instance` starts the installed one"},
}}

func instanceRecord(in wire.Instance) runtime.Record {
	values := map[string]any{
		"name": in.Name, "host": in.Host, "clustron_port": in.ClustronPort,
		"manager": text.OrNil(in.Manager), "role": string(in.Role), "status": string(in.Status), "desired": text.OrNil(string(in.Desired)),
		"ready": wire.InstanceReady(in.Status, in.Ready), "leader": in.Leader, "restarts": in.Restarts, "last_error": text.OrNil(in.LastError),
		"client_tls": text.OrNil(string(in.ClientTLS)), "cluster_tls": in.ClusterTLS,
		"build": text.OrNil(in.Build), "other_build": in.OtherBuild,
	}
	if in.ClientPort != 0 {
		values["client_port"] = in.ClientPort
	}
	if in.PID != 0 {
		values["pid"] = in.PID
	}
	if in.StartedAt != nil {
		values["started_at"] = in.StartedAt.UTC().Format(time.RFC3339)
	}
	if in.AccessStaleSince != nil {
		values["access_stale_since"] = in.AccessStaleSince.UTC().Format(time.RFC3339)
	}
	return runtime.Record{Type: InstanceType, Values: values}
}
