package builtins

import (
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
)

// All lists every builtin, sorted by name.
func All() []runtime.Builtin {
	return []runtime.Builtin{
		addInstance,
		runtime.ArgsBuiltin(),
		atExit,
		connectManagers,
		connectStore,
		deadlineBuiltin,
		disconnectManagers,
		ensureStore,
		exitBuiltin,
		getStore,
		instanceLog,
		jsonDecode,
		jsonEncode,
		managersBuiltin,
		newStore,
		parallelBuiltin,
		removeInstance,
		removeStore,
		repairStore,
		restartInstance,
		retryBuiltin,
		showBuiltin,
		sleepBuiltin,
		spawnBuiltin,
		startInstance,
		startStore,
		stepBuiltin,
		stopInstance,
		stopStore,
		storeMetrics,
		storeStatus,
		topologyBuiltin,
		topologyDiff,
		topologyRender,
		topologyValidate,
		waitReady,
		waitUntil,
		watchStoreMetrics,
		withManagers,
	}
}

// Objects lists what builtins return to be used by its methods.
func Objects() []*runtime.ObjectType {
	return []*runtime.ObjectType{outcomesType, outcomeType, resultsType, rowType, storeObject, taskType}
}

// Records lists the tables that builtins return.
func Records() []*runtime.RecordType {
	return []*runtime.RecordType{storeType, instanceType, statusType, topology.NodeType, answers, silentType, metricsType, metricType, validateType, diffType, pendingType, differenceType, ensuredType}
}
