// Package testkit declares the builtins that only tests can call: throw-away clusters, fake managers, runs of runbooks.
package testkit

import "dkvrun/runtime"

// Builtins lists the builtins that only tests can call, sorted by name.
func Builtins() []runtime.Builtin {
	return []runtime.Builtin{fakeManagers, localCluster, runScript}
}

// Objects lists the objects that these builtins return.
func Objects() []*runtime.ObjectType { return []*runtime.ObjectType{clusterType} }

// Records lists the records that these builtins return.
func Records() []*runtime.RecordType { return []*runtime.RecordType{fakesType, scriptRunType} }
