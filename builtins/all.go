// Package builtins lists the builtins that scripts can call. Each builtin is declared by one literal, in the package of
// its subject.
//
// Builtins send requests through runtime/fanout and show results through a report.Reporter. They never use the Lua
// state, which belongs to package runtime.
package builtins

import (
	"dkvrun/builtins/access"
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
		access.GrantAccess,
		instances.InstanceLog,
		flow.JSONDecode,
		flow.JSONEncode,
		access.ListAccess,
		session.ListCertificates,
		session.Managers,
		stores.NewStore,
		flow.Parallel,
		instances.RemoveInstance,
		stores.RemoveStore,
		stores.RepairStore,
		instances.RestartInstance,
		stores.RestartStore,
		flow.Retry,
		access.RevokeAccess,
		stores.SecureStore,
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

// Objects lists the objects with methods that builtins return.
func Objects() []*runtime.ObjectType {
	return []*runtime.ObjectType{
		flow.OutcomesType, flow.OutcomeType, run.ResultsType, run.RowType, data.StoreObject, flow.TaskType,
	}
}

// Records lists the records that builtins return.
func Records() []*runtime.RecordType {
	return []*runtime.RecordType{
		stores.StoreType, stores.InstanceType, stores.StatusType, topology.NodeType, run.RowsType, run.SilentType,
		stores.MetricsType, stores.MetricType, stores.ValidationType, stores.DiffType, stores.PendingType,
		stores.DifferenceType, stores.ConditionType, stores.StrayType,
		stores.EnsuredType, session.CertificateType, access.RowType,
	}
}
