package builtins

import "dkvrun/runtime"

// All lists every builtin, sorted by name.
func All() []runtime.Builtin {
	return []runtime.Builtin{
		addInstance,
		runtime.ArgsBuiltin(),
		connectManagers,
		connectStore,
		disconnectManagers,
		exitBuiltin,
		getStore,
		instanceLog,
		jsonDecode,
		jsonEncode,
		managersBuiltin,
		newStore,
		removeInstance,
		removeStore,
		restartInstance,
		showBuiltin,
		sleepBuiltin,
		startInstance,
		startStore,
		stopInstance,
		stopStore,
		storeMetrics,
		storeStatus,
		topologyBuiltin,
		topologyDiff,
		topologyRender,
		topologyValidate,
		waitReady,
		watchStoreMetrics,
		withManagers,
	}
}

// Objects lists what builtins return to be used by its methods.
func Objects() []*runtime.ObjectType {
	return []*runtime.ObjectType{resultsType, rowType, storeObject}
}

// Records lists the tables that builtins return.
func Records() []*runtime.RecordType {
	return []*runtime.RecordType{storeType, instanceType, statusType, nodeType, answers, silentType, metricsType, metricType, validateType, diffType}
}
