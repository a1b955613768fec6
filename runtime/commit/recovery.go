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

// Recovery settles what an operation left behind at a store's managers. It is used once; Look comes first.
type Recovery struct {
	Transport Transport
	Clock     Clock
	Store     string
	// Managers are all that are connected, with their identities; Names are theirs as people know them.
	Managers []wire.Manager
	Names    []string
	// Timeout is how long a change is waited for that is still being made.
	Timeout time.Duration

	responses map[int]stateReply // by Look
}

// stateReply is what one manager has of the store, or why that is not known.
type stateReply struct {
	Reply
	state   wire.StoreState
	refusal *wire.Result
}

func readState(reply Reply) stateReply {
	s := stateReply{Reply: reply}
	if reply.Class == "" && reply.Status == 200 && json.Unmarshal(reply.Body, &s.state) == nil && s.state.Manager != "" {
		return s
	}
	s.refusal = read(reply).refusal
	if s.refusal == nil {
		s.refusal = &wire.Result{Code: "protocol", Message: "answered with something that is not of the admin API"}
	}
	return s
}

// ask sends one request to each of the managers named by their places, all at once.
func (r *Recovery) ask(ctx context.Context, to []int, method, path string, body any) map[int]stateReply {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body) // strings and lists of them: it can't fail
	}
	var requests []Request
	for _, i := range to {
		request := Request{To: i, Method: method, Path: path, Body: text}
		if method != "GET" {
			request.Query = "to=" + url.QueryEscape(r.Managers[i].Identity)
		}
		if coordinator := r.coordinatorURL(); path == wire.ResolvePath(r.Store) && coordinator != "" {
			request.Query += "&home=" + url.QueryEscape(coordinator) // for one that has forgotten the store
		}
		requests = append(requests, request)
	}
	out := map[int]stateReply{}
	for i, reply := range r.Transport.Send(ctx, requests, Send{Parallel: true}) {
		out[requests[i].To] = readState(reply)
	}
	return out
}

// coordinatorURL is where the store's coordinator is, as far as any answer names it.
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

func (r *Recovery) all() []int {
	out := make([]int, len(r.Managers))
	for i := range out {
		out[i] = i
	}
	return out
}

// Query asks all managers what they have of the store.
func (r *Recovery) Query(ctx context.Context) {
	r.responses = r.ask(ctx, r.all(), "GET", wire.StatePath(r.Store), nil)
}

// Resolve makes the coordinator let go of what is overdue, and all others do what it decided. A change that is
// still being renewed is waited for.
func (r *Recovery) Resolve(ctx context.Context) *Outcome {
	limit := r.Clock.Now().Add(r.Timeout)
	var now map[int]stateReply
	for {
		now = r.ask(ctx, r.all(), "POST", wire.ResolvePath(r.Store), nil)
		if !anyPrepared(now) || !r.Clock.Now().Add(lastWait).Before(limit) || r.Clock.Sleep(ctx, lastWait) != nil {
			break
		}
	}
	out := &Outcome{State: Committed, Rows: make([]Row, len(r.Managers))}
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
		out.Summary = fmt.Sprintf("%s: not settled at %d of %d managers", r.Store, bad, len(r.Managers))
	case changed == 0:
		out.Summary = fmt.Sprintf("%s: nothing was pending, and all of %d managers agree", r.Store, len(r.Managers))
	default:
		out.Summary = fmt.Sprintf("%s: settled; all of %d managers agree", r.Store, len(r.Managers))
	}
	return out
}

func anyPrepared(all map[int]stateReply) bool {
	for _, s := range all {
		if s.refusal == nil && s.state.Prepared != nil {
			return true
		}
	}
	return false
}

// latest is the configuration that the others are held against: the coordinator's, else the one with the highest
// epoch and revision; nil where nobody has the store.
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

// resolvedRow is the row of a manager after it was asked to settle.
func (r *Recovery) resolvedRow(before, now stateReply, coordinator *wire.Configuration) Row {
	row := Row{Result: Done, Code: wire.CodeUnchanged, Message: "Nothing was pending", Status: now.Status, Attempts: now.Attempts, Duration: now.Duration}
	mine := now.state.Configuration
	switch was := before.state.Prepared; {
	case now.refusal != nil:
		return answer{Reply: now.Reply, refusal: now.refusal}.failure()
	case now.state.Replacing != "":
		row.Result, row.Code = Failed, wire.CodeReplacementUnfinished
		row.Message = "a repair without manager " + now.state.Replacing + " has begun and not ended"
		row.Hint = fmt.Sprintf("repair_store{%q, lost = %q} ends it", r.Store, now.state.Replacing)
	case now.state.Prepared != nil:
		p := now.state.Prepared
		row.Result, row.Code = Failed, wire.CodeStoreBusy
		row.Message = fmt.Sprintf("%s is still being made by %s (operation %s)", p.Action, p.Owner, p.ID)
	case coordinator != nil && mine != nil && mine.LastOperation != coordinator.LastOperation:
		row.Result, row.Code = Failed, wire.CodeStaleRevision
		row.Message = fmt.Sprintf("has revision %d (%s), the home %d (%s)", mine.Revision, mine.LastOperation, coordinator.Revision, coordinator.LastOperation)
	case mine == nil && coordinator != nil && slices.ContainsFunc(coordinator.Managers, func(m wire.Manager) bool { return m.Identity == now.state.Manager }):
		row.Result, row.Code = Failed, wire.CodeStoreNotFound
		row.Message = "does not have the store, which it is to keep by the home's word"
		row.Hint = "create the store once more, as it is: whoever lacks it takes it"
	case was != nil:
		row.Code, row.Message = wire.CodeOK, fmt.Sprintf("%s: %s", was.Action, now.state.Of(was.ID))
	case before.state.Configuration == nil && mine != nil:
		row.Code, row.Message = wire.CodeOK, fmt.Sprintf("Had forgotten the store; took revision %d from the home", mine.Revision)
	case before.state.Configuration != nil && mine != nil && before.state.Configuration.LastOperation != mine.LastOperation:
		row.Code, row.Message = wire.CodeOK, fmt.Sprintf("Took revision %d from the home", mine.Revision)
	}
	return row
}

// Find resolves a host, host:port, URL or identity to a manager that keeps the store, or takes part in a
// pending change of it.
func (r *Recovery) Find(lost string) (wire.Manager, bool) {
	for _, m := range r.knownManagers() {
		at, err := url.Parse(m.URL)
		if m.Identity == lost || m.URL == lost || err == nil && (at.Host == lost || strings.EqualFold(at.Hostname(), lost)) {
			return m, true
		}
	}
	return wire.Manager{}, false
}

// connected is the manager with an identity; without a URL where it is not connected.
func (r *Recovery) connected(identity string) wire.Manager {
	for _, m := range r.Managers {
		if m.Identity == identity {
			return m
		}
	}
	return wire.Manager{Identity: identity}
}

// knownManagers are all managers that any answer names.
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
	for i := range r.Managers { // one may be the only one left that knows of a repair
		if lost := r.responses[i].state.Replacing; lost != "" {
			add([]wire.Manager{r.Managers[i], r.connected(lost)})
		}
	}
	return out
}

// IsCoordinator reports whether a manager decides about the store, or about a change that is pending.
func (r *Recovery) IsCoordinator(identity string) bool {
	for _, s := range r.responses {
		c, p := s.state.Configuration, s.state.Prepared
		if c != nil && c.Coordinator == identity || p != nil && p.Coordinator == identity || s.state.Replacing == identity {
			return true
		}
	}
	return false
}
