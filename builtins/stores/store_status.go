package stores

import (
	"maps"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
)

var StoreStatus = runtime.Builtin{
	Name: "store_status", Group: "Queries", Positional: 1,
	Doc:        "Returns the state of a store in the whole cluster, with every instance as its own manager reports it.",
	Params:     params.Join([]runtime.Param{params.Name}, params.Query()),
	Returns:    "one table; raises when no manager knows the store",
	ReturnType: "status",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
print(store_status("OrdersStore").status)`,
	Impl: storeStatus,
}

var StatusType = &runtime.RecordType{
	Name:    "status",
	Doc:     "A store, from all managers together. If some did not answer, the script has to look at `ok`, `unreachable` or `consistent`, or to call `check`.",
	Methods: []runtime.Builtin{run.CheckMethod("the status", "status")},
	Fields: append([]runtime.Field{
		{Name: "name", Doc: "the store's name"},
		{Name: "status", Doc: "`NoInstances`, `Running`, `Stopped`, `Partial` or `Unknown`"},
		{Name: "ready", Doc: "true when the status is `Running` and every instance takes reads and writes; false if no manager that answered can read its catalog"},
		{Name: "consistent", OnRead: run.OnCheck,
			Doc: "true if all managers of the store have the same topology, false if any differ or can't read their catalog, nil if one does not answer or was not asked"},
		{Name: "not_asked", Type: "list of string", Doc: "the managers of the store that are not in the session, as host:port"},
		{Name: "revision", Doc: "the topology's revision, from 1; 0 if no manager that answered can read its catalog"},
		{Name: "cluster", Doc: "the engine's id of the store's cluster, in hexadecimal, by which a store differs from another one that has its name or its ports; nil while no instance reports it, or if they differ"},
		{Name: "topology", Type: "list of node", Doc: "the topology"},
		{Name: "instances", Type: "list of instance", Doc: "a list of instances: name, host, status, ready, role, leader, …"},
		{Name: "leaving", Type: "list of instance", Doc: "instances that were removed from the topology and are not gone yet, and other members of the running store that the topology doesn't have; `last_error` says what they wait for"},
		{Name: "pending", Type: "pending", Doc: "the operation that is not decided yet, or nil"},
		{Name: "differences", Type: "list of deviation", Doc: "the managers whose topology differs; empty if all agree"},
		{Name: "degraded", Type: "list of condition", Doc: "the managers that neither vote nor decide about the store, and what to do; empty if there are none"},
		{Name: "strays", Type: "list of stray", Doc: "folders with the name of the store that their server's catalog doesn't know, and what runs in them; empty if there are none"},
	}, run.AnswerFields...),
}

func storeStatus(c *runtime.Call) (any, error) {
	r := run.Of(c)
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, err
	}
	if v.Latest == nil {
		return nil, r.NotFound(c, v)
	}
	q, err := r.Answered(c, v.Unanswered(), len(v.Reports), true)
	if err != nil {
		return nil, err
	}
	list := func(seen []cluster.Instance) runtime.List {
		out := runtime.List{}
		for _, in := range seen {
			out.Items = append(out.Items, instanceRecord(in.Instance))
		}
		return out
	}
	notAsked := runtime.List{}
	for _, at := range v.NotAsked() {
		notAsked.Items = append(notAsked.Items, at)
	}
	values := map[string]any{
		"name": v.Name, "not_asked": notAsked, "status": string(v.Status()), "ready": v.Ready(), "consistent": v.Consistent(),
		"revision": v.Latest.Revision, "topology": topology.List(v.Nodes()),
		"instances": list(v.Instances), "leaving": list(v.Leaving),
		"cluster": text.OrNil(v.Cluster()), "pending": pendingRecord(v), "differences": differenceRecords(v),
		"degraded": conditionRecords(v), "strays": strayRecords(v),
	}
	maps.Copy(values, run.AnswerValues(q))
	return runtime.Record{Type: StatusType, Values: values, Source: q}, nil
}

var PendingType = &runtime.RecordType{Name: "pending", Doc: "An operation on a store that managers have prepared and that is not decided yet.", Fields: []runtime.Field{
	{Name: "operation", Doc: "its id"},
	{Name: "action", Doc: "CreateStore, AddInstance, …"},
	{Name: "owner", Doc: "the runner that started it: user@host, process"},
	{Name: "since", Doc: "when the first manager voted, in UTC as RFC 3339, by that manager's clock"},
	{Name: "age_sec", Doc: "seconds since then"},
	{Name: "managers", Type: "list of string", Doc: "the managers that have prepared it, as host:port"},
}}

// pendingRecord returns the pending operation of a view, or nil.
func pendingRecord(v *cluster.View) any {
	first, holders := v.Pending()
	if first == nil {
		return nil
	}
	managers := runtime.List{}
	for _, at := range holders {
		managers.Items = append(managers.Items, at.String())
	}
	values := map[string]any{
		"operation": first.ID, "action": first.Action, "owner": text.OrNil(first.Owner), "managers": managers,
	}
	if first.Since != nil {
		values["since"] = first.Since.UTC().Format(time.RFC3339)
		values["age_sec"] = max(0, time.Since(*first.Since).Round(time.Second).Seconds())
	}
	return runtime.Record{Type: PendingType, Values: values}
}

var DifferenceType = &runtime.RecordType{Name: "deviation", Doc: "A manager whose topology differs from the latest one, or that has none.", Fields: []runtime.Field{
	{Name: "manager", Doc: "host:port"},
	{Name: "revision", Doc: "the revision of its topology, nil if it does not know the store or can't read its catalog"},
	{Name: "message", Doc: "what differs, in a sentence"},
}}

// differenceRecords returns the managers that differ from the latest topology.
func differenceRecords(v *cluster.View) runtime.List {
	out := runtime.List{}
	for _, d := range v.Differences() {
		values := map[string]any{"manager": d.Manager.String(), "message": d.Message}
		if d.Revision != 0 {
			values["revision"] = d.Revision
		}
		out.Items = append(out.Items, runtime.Record{Type: DifferenceType, Values: values})
	}
	return out
}

var ConditionType = &runtime.RecordType{Name: "condition", Doc: "A manager that can't be relied on for a store.", Fields: []runtime.Field{
	{Name: "manager", Doc: "host:port"},
	{Name: "health", Doc: "`degraded`: it may have forgotten votes; `read-only`: it refuses every change"},
	{Name: "message", Doc: "why, in a sentence"},
	{Name: "next", Doc: "the next command or step, or nil"},
}}

// conditionRecords returns the managers that can't be relied on for the store.
func conditionRecords(v *cluster.View) runtime.List {
	out := runtime.List{}
	for _, u := range v.Unwell() {
		out.Items = append(out.Items, runtime.Record{Type: ConditionType, Values: map[string]any{
			"manager": u.Manager.String(), "health": string(u.Health), "message": u.Why, "next": text.OrNil(u.Next),
		}})
	}
	return out
}

var StrayType = &runtime.RecordType{Name: "stray", Doc: "The folder of an instance that its server's catalog doesn't know. It is kept, and what runs in it goes on.", Fields: []runtime.Field{
	{Name: "manager", Doc: "host:port of the manager on its server"},
	{Name: "instance", Doc: "the instance's name"},
	{Name: "folder", Doc: "its path"},
	{Name: "pid", Doc: "the process that runs in it, or nil"},
	{Name: "next", Doc: "the command that ends the process and moves the folder away, to be run on the server"},
}}

// strayRecords returns the strays that the managers of the store have found.
func strayRecords(v *cluster.View) runtime.List {
	out := runtime.List{}
	for _, s := range v.Reports {
		if s.Store == nil {
			continue
		}
		for _, x := range s.Store.Strays {
			values := map[string]any{"manager": s.Endpoint.String(), "instance": x.Instance, "folder": x.Folder, "next": x.Next}
			if x.PID != 0 {
				values["pid"] = x.PID
			}
			out.Items = append(out.Items, runtime.Record{Type: StrayType, Values: values})
		}
	}
	return out
}
