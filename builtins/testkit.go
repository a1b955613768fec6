package builtins

import "dkvrun/runtime"

// TestBuiltins lists what can be called in tests alone, sorted by name.
func TestBuiltins() []runtime.Builtin {
	return []runtime.Builtin{FakeManagers, LocalCluster, RunScript}
}

// TestObjects lists the objects that they return.
func TestObjects() []*runtime.ObjectType { return []*runtime.ObjectType{ClusterType} }

// TestRecords lists the tables that they return.
func TestRecords() []*runtime.RecordType { return []*runtime.RecordType{FakesType, ScriptRunType} }
