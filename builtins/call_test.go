package builtins

import (
	"context"
	"testing"

	"dkvrun/runtime"
)

// removal is a call of remove_instance as a script makes it, for code that wants one.
func removal(t *testing.T) *runtime.Call {
	t.Helper()
	var call *runtime.Call
	probe := removeInstance
	probe.Impl = func(c *runtime.Call) (any, error) { call = c; return nil, nil }
	host := runtime.New(runtime.Options{Builtins: []runtime.Builtin{probe}})
	defer host.Close()
	if _, err := host.Eval(context.Background(), `remove_instance("OrdersStore", "orders-a")`); err != nil {
		t.Fatal(err)
	}
	return call
}
