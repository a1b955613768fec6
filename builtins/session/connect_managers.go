// Package session declares the builtins that connect managers.
package session

import (
	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
)

var ConnectManagers = runtime.Builtin{
	Name: "connect_managers", Group: "Session", Positional: 1,
	Doc: "Connects to all managers at once and makes them the session, in this order. Without managers it uses those of `-m`, DKVRUN_MANAGERS or `--local`. " +
		"If a manager does not answer, it raises an error after it has shown a row for each manager, and the session does not change. " +
		"The message of a row says if its manager is read-only or degraded, which means that it may have forgotten votes; a notice says why, and what to do.",
	Params: params.Join([]runtime.Param{
		{Name: "managers", Type: runtime.Strings, Rest: true, Check: params.CheckServers,
			Doc: "`host`, `host:port`, an IPv4 or IPv6 address, or `http(s)://host:port`; one string may hold several, separated by commas"},
		params.Port,
		{Name: "force", Type: runtime.Boolean, Default: false, Doc: "replace another session"},
		{Name: "allow_down", Type: runtime.Boolean, Default: false,
			Doc: "connect even if some managers don't answer: queries and instance actions work, topology changes still need all; same as `--allow-down`"},
		params.Timeout(30),
	}),
	Returns:    "results: one Connect row per manager",
	ReturnType: "results",
	Example:    `connect_managers()`,
	Impl:       connect,
}

func connect(c *runtime.Call) (any, error) {
	r := run.Of(c)
	if err := r.MayAct(c); err != nil {
		return nil, err
	}
	endpoints, err := connectTargets(r, c)
	if err != nil {
		return nil, err
	}
	if s := r.Scope(c).Session(); s != nil && s.Connected() && !c.Bool("force") && !r.Client.Same(s.Endpoints(), endpoints) {
		err := c.Errorf("connected", "connect_managers: connected to %s already", cluster.Listed(s.Endpoints()))
		err.Hint = "call disconnect_managers() first, or pass force = true"
		return nil, err
	}
	// The rows are shown when all have answered: before that it is not known whether the session will be connected.
	shown := r.BeginConnect(c, endpoints)
	all := r.Probe(c, endpoints)
	s, err := cluster.Connect(c.Context(), c.Name, all, r.AllowDown || c.Bool("allow_down"))
	r.EndConnect(shown, all, err)
	if err != nil {
		return nil, err
	}
	for _, text := range cluster.UnwellNotices(all) {
		r.Reporter.Notice(text)
	}
	r.Scope(c).SetSession(s)
	res := run.NewResults(c, "managers", func(c *runtime.Call, _ *run.Results) (*run.Results, error) {
		return nil, c.Errorf("usage", "connect_managers can't be retried: call it again with force = true")
	})
	res.SetChecked()
	for _, p := range all {
		res.Add(p.Row)
	}
	return res, nil
}

// connectTargets returns the managers of a connect_managers call: those that it names, or the preset ones.
func connectTargets(r *run.Run, c *runtime.Call) ([]fanout.Endpoint, error) {
	if !c.Has("managers") {
		if len(r.Preset) == 0 {
			return nil, c.Errorf("no_managers", "connect_managers: no managers given: pass some, or use -m, DKVRUN_MANAGERS or --local")
		}
		return r.Preset, nil
	}
	endpoints, err := r.Endpoints(c)
	if err != nil {
		return nil, err
	}
	if len(r.Preset) > 0 && !r.Client.Same(r.Preset, endpoints) {
		err := c.Errorf("other_managers", "connect_managers: the script names %s, but %s named %s", cluster.Listed(endpoints), r.Source, cluster.Listed(r.Preset))
		err.Hint = "leave one of the two out; connect_managers() without a list takes what " + r.Source + " named"
		return nil, err
	}
	return endpoints, nil
}
