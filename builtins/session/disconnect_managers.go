package session

import (
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var DisconnectManagers = runtime.Builtin{
	Name: "disconnect_managers", Group: "Session",
	Doc:     "Ends the session. The managers are not contacted.",
	Returns: "nothing",
	Example: `connect_managers()
disconnect_managers()`,
	Impl: func(c *runtime.Call) (any, error) {
		r := run.Of(c)
		if s := r.Scope(c).Session(); s == nil || !s.Connected() {
			return nil, c.Errorf("no_managers", "disconnect_managers: no managers connected")
		}
		r.Scope(c).SetSession(r.PresetSession())
		return runtime.Values{}, nil
	},
}
