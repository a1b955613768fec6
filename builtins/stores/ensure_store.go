// Package stores declares the builtins that create, change, start, stop and read stores.
package stores

import (
	"errors"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
)

var ensureParams = params.Join([]runtime.Param{params.Name}, topology.PlanParams, []runtime.Param{
	{Name: "nodes", Type: runtime.Table, Doc: "the whole topology in place of the generated one, in the form that `topology` returns; roles as for `new_store`"},
}, params.Execution(600))

var EnsureStore = runtime.Builtin{
	Name: "ensure_store", Group: "Actions", Positional: 2,
	Doc: "Makes the cluster match the description of a store: it creates the store, adds instances, or changes nothing, and reports which. It is safe to run repeatedly, for example every hour. " +
		"It never removes or moves an instance: if that would be needed, or if anything fails, it raises an error.",
	Params:     ensureParams,
	Returns:    "`{name, result, changes}`: result is `unchanged`, `changed` or, in a dry run, `planned`; changes is a list of sentences",
	ReturnType: "ensured",
	Example: `ensure_store{"OrdersStore", instance_prefix = "orders"}
print(ensure_store{"OrdersStore", instance_prefix = "orders"}.result)`,
	Impl: ensureStore,
}

var EnsuredType = &runtime.RecordType{Name: "ensured", Doc: "The result of `ensure_store`.", Fields: []runtime.Field{
	{Name: "name", Doc: "the store's name"},
	{Name: "result", Doc: "`unchanged`, `changed` or `planned`"},
	{Name: "changes", Type: "list of string", Doc: "the changes, one sentence each; empty if unchanged"},
}}

// ensureStore passes its arguments to the Lua module ensure, which calls other builtins.
func ensureStore(c *runtime.Call) (any, error) {
	r := run.Of(c)
	if err := r.MayAct(c); err != nil {
		return nil, err
	}
	if !c.Has("nodes") && !c.Has("instance_prefix") {
		return nil, c.Misuse("instance_prefix", "required, unless nodes = {…} gives the whole topology")
	}
	for _, p := range topology.PlanParams {
		if c.Has("nodes") && c.Given(p.Name) {
			return nil, c.Misuse(p.Name, "can't be combined with nodes, which is the whole topology already")
		}
	}
	want := map[string]any{"planned": r.Planning(c)}
	for _, p := range ensureParams {
		if c.Given(p.Name) { // the other builtins have their own defaults
			want[p.Name] = c.Value(p.Name)
		}
	}
	body, err := c.Library("ensure")
	if err != nil {
		return nil, err
	}
	values, err := body.Call(run.WithTopologyChange(c.Context(), c.Name), c, want)
	if err != nil {
		var failed *runtime.Error
		if errors.As(err, &failed) {
			return nil, run.Raise(c, ensureError(c, failed))
		}
		return nil, err
	}
	changes, _ := c.Read(values[1]).([]any)
	return runtime.Record{Type: EnsuredType, Values: map[string]any{
		"name": c.String("name"), "result": c.Read(values[0]), "changes": runtime.List{Items: changes},
	}}, nil
}

// ensureError returns an error of the module ensure without its position. The module raises a table where the error has
// a code and a hint.
func ensureError(c *runtime.Call, failed *runtime.Error) *runtime.Error {
	out := failed.Because(failed.Message)
	if value, ok := failed.Raised(); ok {
		fields, _ := c.Read(value).(map[string]any)
		out.Code, _ = fields["code"].(string)
		out.Hint, _ = fields["hint"].(string)
	}
	return out
}
