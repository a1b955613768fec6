package instances

import (
	"context"
	"testing"

	"dkvrun/builtins/internal/cluster/clustertest"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

func TestRemoveInstance_KeepsQuorum(t *testing.T) {
	for _, c := range []struct {
		stopped int // how many of the first instances are stopped
		remove  int
		code    string
	}{
		{0, 2, ""},
		{1, 2, wire.CodeQuorumLoss},
		{1, 0, ""}, // the stopped instance
		{2, 2, wire.CodeStoreNotReady},
		{3, 0, wire.CodeStoreNotReady},
	} {
		v := clustertest.View(clustertest.StopFirst(c.stopped))
		err := mayLeave(v, removeCall(t), v.Instances[c.remove])
		code := ""
		if e, ok := err.(*runtime.Error); ok {
			code = e.Code
		}
		if code != c.code {
			t.Errorf("%d stopped, removing %d: got %q (%v), want %q", c.stopped, c.remove, code, err, c.code)
		}
	}
}

// removeCall returns the call that remove_instance gets from a script.
func removeCall(t *testing.T) *runtime.Call {
	t.Helper()
	var call *runtime.Call
	probe := RemoveInstance
	probe.Impl = func(c *runtime.Call) (any, error) { call = c; return nil, nil }
	host := runtime.New(runtime.Options{Builtins: []runtime.Builtin{probe}})
	defer host.Close()
	if _, err := host.Eval(context.Background(), `remove_instance("OrdersStore", "orders-a")`); err != nil {
		t.Fatal(err)
	}
	return call
}
