// Package builtins lists what scripts can call. A builtin is one literal, in the package of its subject.
//
// Builtins talk to managers through runtime/fanout and to people through a report.Reporter. They never touch the Lua
// state: that is runtime's.
package builtins

import (
	"dkvrun/builtins/data"
	"dkvrun/builtins/flow"
	"dkvrun/builtins/instances"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/topology"
	"dkvrun/builtins/session"
	"dkvrun/builtins/stores"
	"dkvrun/runtime"
)

// All lists every builtin, sorted by name.
func All() []runtime.Builtin {
	return []runtime.Builtin{
		instances.AddInstance,
		runtime.ArgsBuiltin(),
		flow.AtExit,
		session.ConnectManagers,
		data.ConnectStore,
		flow.Deadline,
		session.DisconnectManagers,
		stores.EnsureStore,
		flow.Exit,
		stores.GetStore,
		instances.InstanceLog,
		flow.JSONDecode,
		flow.JSONEncode,
		session.Managers,
		stores.NewStore,
		flow.Parallel,
		instances.RemoveInstance,
		stores.RemoveStore,
		stores.RepairStore,
		instances.RestartInstance,
		flow.Retry,
		flow.Show,
		flow.Sleep,
		flow.Spawn,
		instances.StartInstance,
		stores.StartStore,
		flow.Step,
		instances.StopInstance,
		stores.StopStore,
		stores.StoreMetrics,
		stores.StoreStatus,
		stores.Topology,
		stores.TopologyDiff,
		stores.TopologyRender,
		stores.TopologyValidate,
		stores.WaitReady,
		flow.WaitUntil,
		stores.WatchStoreMetrics,
		session.WithManagers,
	}
}

// Objects lists what builtins return to be used by its methods.
func Objects() []*runtime.ObjectType {
	return []*runtime.ObjectType{
		flow.OutcomesType, flow.OutcomeType, run.ResultsType, run.RowType, data.StoreObject, flow.TaskType,
	}
}

// Records lists the tables that builtins return.
func Records() []*runtime.RecordType {
	return []*runtime.RecordType{
		stores.StoreType, stores.InstanceType, stores.StatusType, topology.NodeType, stores.RowsType, stores.SilentType,
		stores.MetricsType, stores.MetricType, stores.ValidationType, stores.DiffType, stores.PendingType,
		stores.DifferenceType, stores.EnsuredType,
	}
}
