package builtins

import (
	"fmt"
	"reflect"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/internal/topology"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// RowsType declares the named fields of a query's list.
var RowsType = &runtime.RecordType{Name: "rows", Doc: "A list with a word on who answered.", Fields: []runtime.Field{
	{Name: "ok", Doc: "true when every manager answered"},
	{Name: "unreachable", Type: "list of silent", Doc: "a list of the managers that did not: `{manager, code, message}`"},
}}

var SilentType = &runtime.RecordType{Name: "silent", Doc: "A manager that did not answer a query.", Fields: []runtime.Field{
	{Name: "manager", Doc: "host:port"},
	{Name: "code", Doc: "refused, timeout, …"},
	{Name: "message", Doc: "a sentence for a person"},
}}

// rows makes the list that a query returns, and says on the side who was silent.
func rows(r *run.Run, c *runtime.Call, items []any, silent []report.Row, asked int) runtime.List {
	unreachable := runtime.List{}
	for _, row := range silent {
		unreachable.Items = append(unreachable.Items, runtime.Record{Type: SilentType, Values: map[string]any{
			"manager": row.Manager, "code": row.Code, "message": row.Message,
		}})
	}
	noticeSilent(r, c, silent, asked)
	return runtime.List{Items: items, Type: RowsType, Values: map[string]any{"ok": len(silent) == 0, "unreachable": unreachable}}
}

func noticeSilent(r *run.Run, c *runtime.Call, silent []report.Row, asked int) {
	if len(silent) > 0 {
		r.Reporter.Notice(fmt.Sprintf("%s: %d of %d managers did not answer: %s: %s", c.Name, len(silent), asked, silent[0].Manager, silent[0].Message))
	}
}

var GetStore = runtime.Builtin{
	Name: "get_store", Group: "Queries", Positional: 1,
	Doc:        "Asks every manager about one store, or about all.",
	Params:     params.Join([]runtime.Param{params.Optional(params.Name)}, params.Query()),
	Returns:    "a list with a row a manager and store; `rows.ok`, `rows.unreachable`",
	ReturnType: "rows of store row",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
for _, row in ipairs(get_store()) do print(row.manager, row.store, row.status) end`,
	Impl: getStore,
}

func getStore(c *runtime.Call) (any, error) {
	r := run.Of(c)
	path := wire.StoresPath()
	if c.Has("name") {
		path = wire.StorePath(c.String("name"))
	}
	all, err := r.Query(c, path)
	if err != nil {
		return nil, err
	}
	glance := wire.ParseStoreSummaries
	if c.Has("name") {
		glance = func(description []byte) ([]wire.StoreSummary, error) {
			store, err := wire.ParseStoreSummary(description)
			return []wire.StoreSummary{store}, err
		}
	}
	items := make([]any, 0, len(all))
	var silent []report.Row
	for i := range all {
		h := &all[i]
		switch {
		case h.Row.Success:
			stores, err := glance(h.Answer.Body)
			if err != nil {
				silent = append(silent, h.Unreadable())
				continue
			}
			for i := range stores {
				items = append(items, storeRecord(h.Endpoint, &stores[i]))
			}
		case h.Answer.Err == nil && h.Row.Code == wire.CodeStoreNotFound:
		default:
			silent = append(silent, h.Row)
		}
	}
	return rows(r, c, items, silent, len(all)), nil
}

var StoreType = &runtime.RecordType{Name: "store row", Doc: "A store as one manager sees it: counts and status are of its own instances.", Fields: []runtime.Field{
	{Name: "manager", Doc: "host:port"},
	{Name: "store", Doc: "the store's name"},
	{Name: "status", Doc: "`NoInstances`, `Running`, `Stopped`, `Partial` or `Unknown`"},
	{Name: "instance_count", Doc: "the manager's own instances"},
	{Name: "running_instances", Doc: "those of them that run"},
	{Name: "stopped_instances", Doc: "those of them that don't"},
	{Name: "participating_nodes", Doc: "all instances of the topology"},
	{Name: "revision", Doc: "the topology's revision, from 1"},
	{Name: "instances", Type: "list of instance", Doc: "the topology, with the state of the manager's own instances"},
}}

func storeRecord(at fanout.Endpoint, s *wire.StoreSummary) runtime.Record {
	return runtime.Record{Type: StoreType, Get: func(field string) any {
		switch field {
		case "manager":
			return at.String()
		case "store":
			return fanout.Printable(s.Name)
		case "status":
			return fanout.Printable(string(s.Status))
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

var InstanceType = &runtime.RecordType{Name: "instance", Doc: "One instance of a store.", Fields: []runtime.Field{
	{Name: "name", Doc: "its name"},
	{Name: "host", Doc: "its server"},
	{Name: "clustron_port", Doc: "its port for the other instances"},
	{Name: "client_port", Doc: "its port for applications"},
	{Name: "manager", Doc: "host:port of its manager"},
	{Name: "role", Doc: "`data` or `gateway`"},
	{Name: "status", Doc: "`Stopped`, `Starting`, `Running`, `Stopping`, `CrashLooping`, `Joining`, `Leaving` or `Unknown`"},
	{Name: "desired", Doc: "`Running` or `Stopped`: what it was last told to be; nil where not known"},
	{Name: "ready", Doc: "true when it takes reads and writes"},
	{Name: "leader", Doc: "true for the data instance that leads"},
	{Name: "pid", Doc: "its process, nil when it doesn't run"},
	{Name: "restarts", Doc: "how often it was started again after it died"},
	{Name: "started_at", Doc: "when it started, in UTC as RFC 3339; nil when it doesn't run"},
	{Name: "last_error", Doc: "what went wrong last, nil when nothing did"},
}}

func instanceRecord(in wire.Instance) runtime.Record {
	values := map[string]any{
		"name": in.Name, "host": in.Host, "clustron_port": in.ClustronPort, "client_port": in.ClientPort,
		"manager": text.OrNil(in.Manager), "role": string(in.Role), "status": string(in.Status), "desired": text.OrNil(string(in.Desired)),
		"ready": in.Ready, "leader": in.Leader, "restarts": in.Restarts, "last_error": text.OrNil(in.LastError),
	}
	if in.PID != 0 {
		values["pid"] = in.PID
	}
	if in.StartedAt != nil {
		values["started_at"] = in.StartedAt.UTC().Format(time.RFC3339)
	}
	return runtime.Record{Type: InstanceType, Values: values}
}

var StoreStatus = runtime.Builtin{
	Name: "store_status", Group: "Queries", Positional: 1,
	Doc:        "One answer for the whole cluster: every instance as its own manager sees it.",
	Params:     params.Join([]runtime.Param{params.Name}, params.Query()),
	Returns:    "one table; raises when no manager knows the store",
	ReturnType: "status",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
print(store_status("OrdersStore").status)`,
	Impl: storeStatus,
}

var StatusType = &runtime.RecordType{Name: "status", Doc: "A store, from all managers together.", Fields: []runtime.Field{
	{Name: "name", Doc: "the store's name"},
	{Name: "status", Doc: "`NoInstances`, `Running`, `Stopped`, `Partial` or `Unknown`"},
	{Name: "ready", Doc: "true when every instance takes reads and writes"},
	{Name: "consistent", Doc: "true when all managers keep the same topology, false when they differ, nil while one is silent"},
	{Name: "revision", Doc: "the topology's revision, from 1"},
	{Name: "topology", Type: "list of node", Doc: "the topology"},
	{Name: "instances", Type: "list of instance", Doc: "a list of instances: name, host, status, ready, role, leader, …"},
	{Name: "leaving", Type: "list of instance", Doc: "instances that the topology has dropped and that are not gone yet"},
	{Name: "pending", Type: "pending", Doc: "the change that is being made, nil where none is"},
	{Name: "differences", Type: "list of deviation", Doc: "the managers that keep it otherwise, empty when all agree"},
	{Name: "ok", Doc: "true when every manager answered"},
	{Name: "unreachable", Type: "list of silent", Doc: "the managers that did not: `{manager, code, message}`"},
}}

func storeStatus(c *runtime.Call) (any, error) {
	r := run.Of(c)
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, err
	}
	if v.Latest == nil {
		return nil, r.NotFound(c, v)
	}
	var silent []report.Row
	for _, s := range v.Sightings {
		if !s.Row.Success {
			silent = append(silent, s.Row)
		}
	}
	list := func(seen []cluster.Instance) runtime.List {
		out := runtime.List{}
		for _, in := range seen {
			out.Items = append(out.Items, instanceRecord(in.Instance))
		}
		return out
	}
	rows := rows(r, c, nil, silent, len(v.Sightings))
	return runtime.Record{Type: StatusType, Values: map[string]any{
		"name": v.Name, "status": string(v.Status()), "ready": v.Ready(), "consistent": v.Consistent(),
		"revision": v.Latest.Revision, "topology": topology.List(v.Nodes()),
		"instances": list(v.Instances), "leaving": list(v.Leaving),
		"pending": pendingRecord(v), "differences": differenceRecords(v),
		"ok": rows.Values["ok"], "unreachable": rows.Values["unreachable"],
	}}, nil
}

var PendingType = &runtime.RecordType{Name: "pending", Doc: "A change of a store that managers have voted for and that is not decided.", Fields: []runtime.Field{
	{Name: "operation", Doc: "its id"},
	{Name: "action", Doc: "CreateStore, AddInstance, …"},
	{Name: "owner", Doc: "who makes it: user@host, process"},
	{Name: "since", Doc: "when the first manager voted, in UTC as RFC 3339, by that manager's clock"},
	{Name: "age_sec", Doc: "seconds since then"},
	{Name: "managers", Type: "list of string", Doc: "the managers that hold it, as host:port"},
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

var DifferenceType = &runtime.RecordType{Name: "deviation", Doc: "A manager that keeps another topology than most, or none.", Fields: []runtime.Field{
	{Name: "manager", Doc: "host:port"},
	{Name: "revision", Doc: "the revision that it keeps, nil where it does not know the store"},
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
