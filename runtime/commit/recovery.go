package commit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// Recovery resolves the operations that other drivers left behind at a store's managers, and replaces a lost
// coordinator. It is used once; Query comes first. It decides nothing (I1): it makes the coordinator decide, and the
// others follow.
//
// Several may run at once, and beside a driver. Each of their requests can be repeated. None of them ends an operation
// whose driver renews it, or replaces a coordinator that answers: Resolve waits for the end of the lease, and survivors
// refuse to promise anything while they have recent answers of the coordinator (I8).
type Recovery struct {
	Transport Transport
	Clock     Clock
	Store     string
	// Managers are all connected managers; Names are their names for messages, in the same order.
	Managers []wire.Manager
	Names    []string
	// Silent are the names, host:port, of managers of the session that do not answer and are not among Managers.
	Silent []string
	// Timeout bounds the wait for an operation whose driver still renews it.
	Timeout time.Duration

	responses map[int]stateReply // set by Query; keyed by the index in Managers
}

// stateReply is a decoded reply to a state request: a manager's state of the store, or a refusal.
type stateReply struct {
	Reply
	state   wire.StoreState
	refusal *wire.Result
}

// readState decodes a reply of one manager. A missing answer, and one that is not the state of this store at this
// manager, become a refusal.
func (r *Recovery) readState(from wire.Manager, reply Reply) stateReply {
	s := stateReply{Reply: reply}
	s.refusal = decodeReply(reply, &s.state)
	switch {
	case s.refusal != nil:
	case s.state.Store != r.Store:
		s.refusal = invalid(reply, "answered about store %.60q", s.state.Store)
	case s.state.Manager != from.Identity:
		s.refusal = invalid(reply, "answered as manager %.60s, not as %s", s.state.Manager, from.Identity)
	}
	if s.refusal != nil {
		s.state = wire.StoreState{}
	}
	return s
}

// ask sends one request to each manager in to, all at once, and returns the replies by index.
func (r *Recovery) ask(ctx context.Context, to []int, method, path string, body any) map[int]stateReply {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body) // strings and lists of them: it can't fail
	}
	var requests []Request
	for _, i := range to {
		request := Request{To: i, Method: method, Path: path, Body: text}
		// A request that changes something names its recipient: a server that is another manager by now refuses it.
		if method != "GET" {
			request.Query = "to=" + url.QueryEscape(r.Managers[i].Identity)
		}
		if coordinator := r.coordinatorURL(); path == wire.ResolvePath(r.Store) && coordinator != "" {
			request.Query += "&home=" + url.QueryEscape(coordinator) // for a manager that has lost its vote for a new store
		}
		requests = append(requests, request)
	}
	out := map[int]stateReply{}
	for i, reply := range r.Transport.Send(ctx, requests, Send{Parallel: true}) {
		out[requests[i].To] = r.readState(r.Managers[requests[i].To], reply)
	}
	return out
}

// coordinatorURL returns the URL of the store's coordinator, or "" if no response names it.
func (r *Recovery) coordinatorURL() string {
	c := latest(r.responses)
	if c == nil {
		return ""
	}
	for _, m := range c.Managers {
		if m.Identity == c.Coordinator {
			return m.URL
		}
	}
	return ""
}

// all returns the indexes of all managers.
func (r *Recovery) all() []int {
	out := make([]int, len(r.Managers))
	for i := range out {
		out[i] = i
	}
	return out
}

// Query reads the state of the store at all managers, and changes nothing. The later steps take from it which managers
// there are, and Resolve reports what has changed since.
func (r *Recovery) Query(ctx context.Context) {
	r.responses = r.ask(ctx, r.all(), "GET", wire.StatePath(r.Store), nil)
}

// Resolve asks all managers to resolve: the coordinator aborts an operation whose lease has expired, and the others
// follow its decision (I5). It waits up to Timeout for an operation that is still renewed, since only its driver or the
// end of its lease may end it.
func (r *Recovery) Resolve(ctx context.Context) *Outcome {
	limit := r.Clock.Now().Add(r.Timeout)
	var now map[int]stateReply
	// All are asked at once. A participant that asks the coordinator in the same moment may still learn that the
	// operation is prepared; then it has the decision in the next round, or by itself within 5 s.
	for {
		now = r.ask(ctx, r.all(), "POST", wire.ResolvePath(r.Store), nil)
		if !anyPrepared(now) || !r.Clock.Now().Add(lastWait).Before(limit) || r.Clock.Sleep(ctx, lastWait) != nil {
			break
		}
	}
	out := &Outcome{State: Committed, Rows: make([]Row, len(r.Managers))}
	// I5: the coordinator's configuration is what all others must have. It commits first, so that a manager which
	// follows it is never ahead of it.
	coordinator := latest(now)
	changed, bad := 0, 0
	for i, s := range now {
		row := r.resolvedRow(r.responses[i], s, coordinator)
		out.Rows[i] = row
		if row.Result == Failed {
			bad++
		} else if row.Code != wire.CodeUnchanged {
			changed++
		}
	}
	switch {
	case bad > 0:
		out.State = Unknown
		// A manager that is silent, or has another configuration, may follow later: the outcome is unknown.
		out.Summary = fmt.Sprintf("%s: not resolved at %d of %d managers", r.Store, bad, len(r.Managers))
	case changed == 0:
		out.Summary = fmt.Sprintf("%s: nothing was in doubt, and %s", r.Store, r.agreement(coordinator))
	default:
		out.Summary = fmt.Sprintf("%s: resolved; %s", r.Store, r.agreement(coordinator))
	}
	return out
}

// agreement returns the message that the managers agree. It names those for which this is unknown: managers that did
// not answer, and managers of the store that are not connected.
func (r *Recovery) agreement(c *wire.Configuration) string {
	var unasked []string
	if c != nil {
		for _, m := range c.Managers {
			at := strings.TrimPrefix(m.URL, "http://")
			if r.connected(m.Identity).URL == "" && !slices.Contains(r.Silent, at) {
				unasked = append(unasked, at)
			}
		}
	}
	which := "managers"
	var rest []string
	if len(unasked) > 0 {
		which = "asked managers"
		rest = append(rest, "not asked: "+strings.Join(unasked, ", "))
	}
	if len(r.Silent) > 0 {
		which = "managers that answered"
		rest = append([]string{"no answer from " + strings.Join(r.Silent, ", ")}, rest...)
	}
	return strings.Join(append([]string{fmt.Sprintf("all of %d %s agree", len(r.Managers), which)}, rest...), "; ")
}

// Knows reports whether any manager that answered Query has the store, an operation on it, or a repair of it.
func (r *Recovery) Knows() bool {
	for _, s := range r.responses {
		if s.refusal != nil || s.state.Configuration != nil || s.state.Prepared != nil || s.state.Replacing != "" {
			return true // a manager that gave no state may know it too
		}
	}
	return false
}

// anyPrepared reports whether a manager still has a prepared record.
func anyPrepared(all map[int]stateReply) bool {
	for _, s := range all {
		if s.refusal == nil && s.state.Prepared != nil {
			return true
		}
	}
	return false
}

// Plan returns what Resolve would do, or a replacement of the manager with the identity lost. It sends nothing: a
// manager whose answer to Query is no state, such as one that can't read its catalog, would not take part.
func (r *Recovery) Plan(lost string) *Outcome {
	out := &Outcome{State: DryRun}
	bad := 0
	for i, m := range r.Managers {
		row := Row{Result: Planned, Code: "planned", Message: "Would resolve what is in doubt"}
		if s := r.responses[i]; s.refusal != nil && m.Identity != lost {
			row = answer{Reply: s.Reply, refusal: s.refusal}.failure()
			bad++
		}
		out.Rows = append(out.Rows, row)
	}
	if bad > 0 {
		out.Summary = fmt.Sprintf("%s: would not be resolved at %d of %d managers", r.Store, bad, len(r.Managers))
	}
	return out
}

// latest returns the configuration to compare the others with: the coordinator's, or without an answer of the
// coordinator the one with the highest epoch and revision. It returns nil if no manager has the store. Epochs of a name
// only grow, also when the store is removed and created again; revisions begin anew then, so they come second.
func latest(all map[int]stateReply) *wire.Configuration {
	var best *wire.Configuration
	for _, s := range all {
		c := s.state.Configuration
		if c == nil {
			continue
		}
		if c.Coordinator == s.state.Manager {
			return c
		}
		if best == nil || c.Epoch > best.Epoch || c.Epoch == best.Epoch && c.Revision > best.Revision {
			best = c
		}
	}
	return best
}

// resolvedRow returns the row of a manager from its states before and after the resolve request. The cases that say
// that something is still open come before those that describe a result.
func (r *Recovery) resolvedRow(before, now stateReply, coordinator *wire.Configuration) Row {
	row := Row{Result: Done, Code: wire.CodeUnchanged, Message: "Nothing was in doubt", Status: now.Status, Attempts: now.Attempts,
		Duration: now.Duration}
	mine := now.state.Configuration
	switch was := before.state.Prepared; {
	case now.refusal != nil:
		return answer{Reply: now.Reply, refusal: now.refusal}.failure()
	case now.state.Replacing != "":
		row.Result, row.Code = Failed, wire.CodeReplacementUnfinished
		row.Message = "a repair without manager " + now.state.Replacing + " has started and is not finished"
		row.Hint = fmt.Sprintf("repair_store{%q, lost = %q} finishes it", r.Store, now.state.Replacing)
	case now.state.Suspect:
		row.Result, row.Code = Failed, wire.CodeSuspect
		row.Message = "may have forgotten a vote or a decision about the store"
		row.Hint = fmt.Sprintf("repair_store(%q) again when all managers of the store answer", r.Store)
		if d := now.state.Doubt; d != nil {
			row.Message += ": " + d.Why
			if d.Operation != "" {
				row.Hint = fmt.Sprintf("repair_store{%q, decide = \"make\"} commits it, decide = \"drop\" aborts it", r.Store)
			}
		}
	case now.state.Prepared != nil:
		p := now.state.Prepared
		row.Result, row.Code = Failed, wire.CodeStoreBusy
		row.Message = fmt.Sprintf("%s by %s is still in progress (operation %s)", p.Action, p.Owner, p.ID)
	case coordinator != nil && mine != nil && mine.LastOperation != coordinator.LastOperation:
		row.Result, row.Code = Failed, wire.CodeStaleRevision
		row.Message = fmt.Sprintf("has revision %d (%s), the coordinator %d (%s)", mine.Revision, mine.LastOperation, coordinator.Revision, coordinator.LastOperation)
	case coordinator != nil && mine != nil && wire.VotedByAll(mine.LastOperation) && !mine.SameContent(coordinator): // I7
		row.Result, row.Code = Failed, wire.CodeStaleRevision
		row.Message = fmt.Sprintf("has revision %d with another content than the coordinator: %s", mine.Revision, wire.DescribeContentDifference(mine, coordinator))
		row.Hint = fmt.Sprintf("repair_store(%q) once more; a manager of an older version has to be updated first", r.Store)
	case mine == nil && coordinator != nil &&
		slices.ContainsFunc(coordinator.Managers, func(m wire.Manager) bool { return m.Identity == now.state.Manager }):
		row.Result, row.Code = Failed, wire.CodeStoreNotFound
		row.Message = "does not have the store, but the coordinator lists it as a manager of the store"
		row.Hint = "create the store again with the same instances: managers that lack it take it"
	case was != nil:
		row.Code, row.Message = wire.CodeOK, fmt.Sprintf("%s: %s", was.Action, now.state.Of(was.ID))
	case before.state.Configuration == nil && mine != nil:
		row.Code, row.Message = wire.CodeOK, fmt.Sprintf("Had lost the store; took revision %d from the coordinator", mine.Revision)
	case before.state.Configuration != nil && mine != nil &&
		before.state.Configuration.LastOperation != mine.LastOperation:
		row.Code, row.Message = wire.CodeOK, fmt.Sprintf("Took revision %d from the coordinator", mine.Revision)
	case before.state.Configuration != nil && mine != nil && !before.state.Configuration.SameContent(mine):
		row.Code = wire.CodeOK
		row.Message = fmt.Sprintf("Had another content of revision %d; took the coordinator's: %s", mine.Revision, wire.DescribeContentDifference(before.state.Configuration, mine))
	}
	return row
}

// Find returns the manager with a host, host:port, URL or identity among those that keep the store or take part in a
// prepared operation of it.
func (r *Recovery) Find(lost string) (wire.Manager, bool) {
	for _, m := range r.knownManagers() {
		at, err := url.Parse(m.URL)
		if m.Identity == lost || m.URL == lost || err == nil && (at.Host == lost || strings.EqualFold(at.Hostname(), lost)) {
			return m, true
		}
	}
	return wire.Manager{}, false
}

// connected returns the manager with an identity; without a URL if it is not connected.
func (r *Recovery) connected(identity string) wire.Manager {
	for _, m := range r.Managers {
		if m.Identity == identity {
			return m
		}
	}
	return wire.Manager{Identity: identity}
}

// knownManagers returns all managers that any response names. All of them have to take part in a replacement, so a
// manager that only one response names is included. The managers of prepared operations count too: a manager that an
// operation adds has voted, and may have committed, while the configurations of the others do not name it yet (I1).
func (r *Recovery) knownManagers() []wire.Manager {
	var out []wire.Manager
	add := func(list []wire.Manager) {
		for _, m := range list {
			if !slices.ContainsFunc(out, func(have wire.Manager) bool { return have.Identity == m.Identity }) {
				out = append(out, m)
			}
		}
	}
	for i := range r.Managers {
		if c := r.responses[i].state.Configuration; c != nil {
			add(c.Managers)
		}
		if p := r.responses[i].state.Prepared; p != nil {
			add(p.Managers)
		}
	}
	for i := range r.Managers { // a single manager may be left that knows of a started repair
		if lost := r.responses[i].state.Replacing; lost != "" {
			add([]wire.Manager{r.Managers[i], r.connected(lost)})
		}
	}
	return out
}

// IsCoordinator reports whether a manager is the coordinator of the store or of a prepared operation, or is being
// replaced as such. Only such a manager can have decisions that no other manager knows; any other one that is lost is
// dropped by an ordinary operation.
func (r *Recovery) IsCoordinator(identity string) bool {
	for _, s := range r.responses {
		c, p := s.state.Configuration, s.state.Prepared
		if c != nil && c.Coordinator == identity || p != nil && p.Coordinator == identity || s.state.Replacing == identity {
			return true
		}
	}
	return false
}
