package run

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

// CallSession returns the session of a call: the managers that the call names, or the session of its task.
func (r *Run) CallSession(c *runtime.Call) (*cluster.Session, error) {
	if c.Has("managers") {
		endpoints, err := r.Endpoints(c)
		if err != nil {
			return nil, err
		}
		return cluster.DirectSession(endpoints), nil
	}
	if s := r.Scope(c).Session(); s != nil {
		return s, nil
	}
	return nil, c.Errorf("no_managers", "no managers connected: call connect_managers{…} or pass managers = {…}")
}

// CompleteSession returns the session of a call that changes a topology. It returns an error unless every manager
// answers and its identity is known.
func (r *Run) CompleteSession(c *runtime.Call) (*cluster.Session, error) {
	s, err := r.CallSession(c)
	if err != nil {
		return nil, err
	}
	return s, s.Complete(c.Context(), r.Caller(c))
}

// ReachableSession returns the session of the managers of a call that answer now, and the rows of those that don't. It
// returns an error if none answers.
func (r *Run) ReachableSession(c *runtime.Call) (s *cluster.Session, silent []report.Row, err error) {
	all, err := r.CallSession(c)
	if err != nil {
		return nil, nil, err
	}
	s, probes, err := all.Reachable(c.Context(), r.Caller(c))
	return s, r.silentProbes(probes), err
}

// AnsweringSession is ReachableSession for a call that accepts the silence of one manager, which only the answers of
// the others identify. It does not connect the call's session. When the call knows the manager, it calls connect with
// its host:port, or "" for none. connect returns an error if another manager does not answer and the session needs it.
func (r *Run) AnsweringSession(c *runtime.Call) (
	s *cluster.Session, silent []report.Row, connect func(accepted string) error, err error,
) {
	all, err := r.CallSession(c)
	if err != nil {
		return nil, nil, nil, err
	}
	s, probes, err := all.Answering(c.Context(), r.Caller(c))
	silent = r.silentProbes(probes)
	connect = func(accepted string) error {
		if len(silent) == 1 && silent[0].Manager == accepted && !all.AllowsDown() {
			return nil // the session stays unconnected: the next call that needs all managers says who is silent
		}
		return all.ConnectProbed(c.Context(), r.Caller(c), probes)
	}
	return s, silent, connect, err
}

// silentProbes notes which managers answered, and returns the rows of those that did not.
func (r *Run) silentProbes(probes []cluster.Probe) (silent []report.Row) {
	r.unreachable.noteProbes(probes)
	for _, p := range probes {
		if p.Info == nil {
			silent = append(silent, p.Row)
		}
	}
	return silent
}

// Endpoints returns the managers that a call names.
func (r *Run) Endpoints(c *runtime.Call) ([]fanout.Endpoint, error) {
	port := r.ManagerPort
	if c.Has("port") {
		port = c.Int("port")
	}
	endpoints, err := fanout.ParseEndpoints(c.Strings("managers"), port)
	if err != nil {
		return nil, c.Misuse("managers", "%v", err)
	}
	return endpoints, nil
}

// Caller returns what sessions need of a call.
func (r *Run) Caller(c *runtime.Call) cluster.Caller {
	return cluster.Caller{
		Builtin: c.Name, Client: r.Client, Timeout: params.QueryTimeout(c), ConnectTimeout: params.ConnectTimeout(c),
		Notice: r.Reporter.Notice, Progress: r.Reporter.Progress,
		NoteProbes: r.unreachable.noteProbes, TopologyChange: r.topologyChange(c),
		ShowProbes: func(probes []cluster.Probe, err error) {
			r.unreachable.noteProbes(probes)
			endpoints := make([]fanout.Endpoint, len(probes))
			for i, p := range probes {
				endpoints[i] = p.Endpoint
			}
			r.EndConnect(r.BeginConnect(c, endpoints), probes, err)
		},
	}
}

type topologyChangeKey struct{}

// WithTopologyChange returns a context for the calls by which a builtin changes a topology.
func WithTopologyChange(ctx context.Context, builtin string) context.Context {
	return context.WithValue(ctx, topologyChangeKey{}, builtin)
}

// topologyChange returns the builtin that changes a topology with the call or by means of it, or "".
func (r *Run) topologyChange(c *runtime.Call) string {
	if builtin, ok := c.Context().Value(topologyChangeKey{}).(string); ok {
		return builtin
	}
	if c.Declares(params.Atomic.Name) && (c.Bool(params.Atomic.Name) || r.Planning(c)) {
		return c.Name
	}
	return ""
}

// BeginConnect begins the table of a connection.
func (r *Run) BeginConnect(c *runtime.Call, endpoints []fanout.Endpoint) *report.Action {
	shown := &report.Action{Builtin: c.Name, Operations: []string{cluster.ConnectAction}, Connects: true}
	for _, e := range endpoints {
		shown.Managers = append(shown.Managers, e.String())
	}
	r.beginAction(shown)
	return shown
}

// EndConnect shows the rows of a connection, which ended with err or with nil.
func (r *Run) EndConnect(shown *report.Action, probes []cluster.Probe, err error) {
	for i, row := range cluster.ConnectRows(probes, err) {
		r.addRow(shown, i, row)
	}
	r.Reporter.End(shown)
}

// addRow adds a row to the table of an action, as the one with this index, and shows it.
func (r *Run) addRow(shown *report.Action, index int, row report.Row) {
	row.Index = index
	shown.Rows = append(shown.Rows, row)
	r.Reporter.Row(shown, row)
}

// Query reads a path from every manager of the call's session. The responses show the planned state of a dry run.
func (r *Run) Query(c *runtime.Call, path string, read cluster.Reader) ([]cluster.Response, error) {
	s, err := r.CallSession(c)
	if err != nil {
		return nil, err
	}
	return r.querySession(c, s, path, read)
}

// querySession does the same as Query for a given session.
func (r *Run) querySession(
	c *runtime.Call, s *cluster.Session, path string, read cluster.Reader,
) ([]cluster.Response, error) {
	all, err := s.Query(c.Context(), r.Caller(c), path, read)
	r.unreachable.note(all)
	if err != nil {
		return nil, err
	}
	r.planned.overlay(path, all, read)
	return all, nil
}

// QueryMembers does the same as Query for given managers. The responses are not decoded yet.
func (r *Run) QueryMembers(c *runtime.Call, members []cluster.Member, path string) ([]cluster.Response, error) {
	all, err := r.Caller(c).QueryMembers(c.Context(), members, path)
	r.planned.overlay(path, all, nil)
	return all, err
}

// View queries all managers about a store.
func (r *Run) View(c *runtime.Call, name string) (*cluster.View, error) {
	s, err := r.CallSession(c)
	if err != nil {
		return nil, err
	}
	return r.ViewOf(c, s, name)
}

// ViewOf queries the managers of a session about a store.
func (r *Run) ViewOf(c *runtime.Call, s *cluster.Session, name string) (*cluster.View, error) {
	all, err := r.querySession(c, s, wire.StorePath(name), cluster.StoreReader(name))
	if err != nil {
		return nil, err
	}
	return cluster.NewView(name, all), nil
}

// PendingCreate returns the pending create operation of a store that no manager has yet, or nil. It queries the
// managers once more.
func (r *Run) PendingCreate(c *runtime.Call, v *cluster.View) *wire.OperationStatus {
	var there []cluster.Member
	for _, s := range v.Reports {
		if s.Row.Success {
			there = append(there, s.Member)
		}
	}
	all, err := r.QueryMembers(c, there, wire.StatePath(v.Name))
	if err != nil {
		return nil
	}
	for _, h := range all {
		var s wire.StoreState
		if h.Decode(&s) && s.Prepared != nil {
			return s.Prepared
		}
	}
	return nil
}

// DescribeCreate describes a pending create operation: which runner creates the store, and since when.
func DescribeCreate(store string, op *wire.OperationStatus) string {
	who := fmt.Sprintf("%s is still being created by %s", store, cmp.Or(op.Owner, "a runner"))
	if op.Since != nil {
		who += " since " + op.Since.UTC().Format(time.RFC3339)
	}
	return who + fmt.Sprintf(" (operation %s)", op.ID)
}

// NotFound returns the error for a store that no manager has. It mentions a pending create operation.
func (r *Run) NotFound(c *runtime.Call, v *cluster.View) error {
	if op := r.PendingCreate(c, v); op != nil {
		return CreatePending(c, v, op)
	}
	err := r.UnknownStore(c, v.Name, v.Unanswered(), len(v.Reports))
	if hint := r.DidYouMean(c, v); hint != "" && err.Code == wire.CodeStoreNotFound {
		err.Hint = hint
	}
	return err
}

// maxSuggesting is the number of managers that are asked for the names of their stores.
const maxSuggesting = 5

// DidYouMean returns "did you mean OrdersStore?" for a store that no manager has, if they have one with a name like
// it, otherwise "". It queries a few managers once more: each store is known to all of its managers.
func (r *Run) DidYouMean(c *runtime.Call, v *cluster.View) string {
	var there []cluster.Member
	for _, s := range v.Reports {
		if s.Row.Success {
			there = append(there, s.Member)
		}
	}
	all, err := r.QueryMembers(c, there[:min(len(there), maxSuggesting)], wire.StoresPath())
	if err != nil {
		return ""
	}
	var names []string
	for i := range all {
		if !all[i].Row.Success {
			continue
		}
		stores, _ := wire.ParseStoreSummaries(all[i].Answer.Body)
		for _, s := range stores {
			names = append(names, printable.Line(s.Name))
		}
	}
	return text.DidYouMean(v.Name, names)
}

// UnknownStore returns the error for a store that no manager that answered knows. silent has the rows of the managers
// that did not answer. If the run accepts their silence, the store counts as not existing.
func (r *Run) UnknownStore(c *runtime.Call, name string, silent []report.Row, asked int) *runtime.Error {
	err := cluster.UnknownStore(c.Name, name, silent, asked)
	if len(silent) < asked && r.AcceptsSilence(c, silent) {
		err.Code = wire.CodeStoreNotFound
	}
	err.File, err.Line = c.File, c.Line
	return err
}

// Probe asks managers for their identity, all at once.
func (r *Run) Probe(c *runtime.Call, endpoints []fanout.Endpoint) []cluster.Probe {
	all := r.Caller(c).Probe(c.Context(), endpoints)
	r.unreachable.noteProbes(all)
	return all
}

// CreatePending returns the error for a store whose create operation is pending.
func CreatePending(c *runtime.Call, v *cluster.View, op *wire.OperationStatus) error {
	err := c.Errorf(wire.CodeStoreBusy, "%s: %s", c.Name, DescribeCreate(v.Name, op))
	err.Hint = fmt.Sprintf("try again when it is done; repair_store(%q) resolves what a dead runner left behind", v.Name)
	return err
}
