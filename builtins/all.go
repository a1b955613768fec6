// Package builtins lists what scripts can call. A builtin is one literal, in the package of its subject.
//
// Builtins talk to managers through runtime/fanout and to people through a report.Reporter. They never touch the Lua
// state: that is runtime's.
package builtins

import (
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
)

// All lists every builtin, sorted by name.
func All() []runtime.Builtin {
	return []runtime.Builtin{
		AddInstance,
		runtime.ArgsBuiltin(),
		AtExit,
		ConnectManagers,
		ConnectStore,
		Deadline,
		DisconnectManagers,
		EnsureStore,
		Exit,
		GetStore,
		InstanceLog,
		JSONDecode,
		JSONEncode,
		Managers,
		NewStore,
		Parallel,
		RemoveInstance,
		RemoveStore,
		RepairStore,
		RestartInstance,
		Retry,
		Show,
		Sleep,
		Spawn,
		StartInstance,
		StartStore,
		Step,
		StopInstance,
		StopStore,
		StoreMetrics,
		StoreStatus,
		Topology,
		TopologyDiff,
		TopologyRender,
		TopologyValidate,
		WaitReady,
		WaitUntil,
		WatchStoreMetrics,
		WithManagers,
	}
}

// Objects lists what builtins return to be used by its methods.
func Objects() []*runtime.ObjectType {
	return []*runtime.ObjectType{OutcomesType, OutcomeType, run.ResultsType, run.RowType, StoreObject, TaskType}
}

// Records lists the tables that builtins return.
func Records() []*runtime.RecordType {
	return []*runtime.RecordType{StoreType, InstanceType, StatusType, topology.NodeType, RowsType, SilentType, MetricsType, MetricType, ValidationType, DiffType, PendingType, DifferenceType, EnsuredType}
}
