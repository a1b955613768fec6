package session

import (
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var Managers = runtime.Builtin{
	Name: "managers", Group: "Session",
	Doc:     "Lists the managers of the session, in its order; before the session is connected, those of `-m`, DKVRUN_MANAGERS or `--local`.",
	Returns: "a list of `host:port`, empty where there is no session",
	Example: `for _, manager in ipairs(managers()) do print(manager) end`,
	Impl: func(c *runtime.Call) (any, error) {
		r := run.Of(c)
		list := runtime.List{}
		if s := r.Scope(c).Session(); s != nil {
			for _, e := range s.Endpoints() {
				list.Items = append(list.Items, e.String())
			}
		}
		return list, nil
	},
}
