// Package cluster connects managers, queries them, and joins their answers into one view of a store.
package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

// Session is an ordered list of managers, which it connects and queries. Its users need not know whether the managers
// have been contacted yet.
type Session struct {
	// connecting is held while managers are contacted for the first time. Of several tasks that share the session,
	// one contacts them and the others wait.
	connecting sync.Mutex
	known      atomic.Pointer[membership]
	// lazy is true for a session that connects with its first query. Source then tells people where the list of
	// managers comes from: a flag, an environment variable.
	lazy   bool
	source string
	// allowDown is true for a session that accepts managers that do not answer.
	allowDown bool
}

// membership is an immutable state of a session.
type membership struct {
	members []Member
	// connected is false until the managers have answered the session's first query.
	connected bool
	// identified reports whether the managers were asked for their identity, which only changes of a topology need.
	identified bool
}

// Member is one manager of a session. Info is nil when the manager did not answer, or was not asked for it.
type Member struct {
	fanout.Endpoint
	Info *wire.Info
	// stated is the identity that the manager's first answer has stated.
	stated string
}

// Identity returns the manager's identity, or "" if it has not answered yet.
func (m *Member) Identity() string {
	if m.Info != nil {
		return m.Info.Identity
	}
	return m.stated
}

// Disowned returns why an HTTP answer is not one of the member, or "". The answer of another server or another manager
// says nothing about the request. An answer to the first request to a member may come from any manager.
func (m *Member) Disowned(answer fanout.Answer) string {
	is := m.Identity()
	switch {
	case answer.Manager == "":
		return notOfAPI
	case is != "" && answer.Manager != is:
		return printable.Line(fmt.Sprintf("another manager answers there, %.64s, not %.64s, which was connected: "+
			"connect again with force = true", answer.Manager, is))
	}
	return ""
}

// notOfAPI describes an answer that no manager has sent.
const notOfAPI = "answered with something that is not of the admin API: is a dkvmanager listening there?"

// withoutIdentity describes an answer that is of the admin API, but doesn't state the identity of its manager.
const withoutIdentity = "answered without the identity that a dkvmanager states: is it one of an older version, or another program?"

// NewSession returns the connected session of members whose identity is known.
func NewSession(members []Member) *Session {
	s := &Session{}
	s.known.Store(&membership{members: members, connected: true, identified: true})
	return s
}

// DirectSession returns a session of the managers that one call names. It does not require that all of them answer,
// except in Complete.
func DirectSession(endpoints []fanout.Endpoint) *Session {
	s := &Session{}
	s.known.Store(&membership{members: unidentified(endpoints), connected: true})
	return s
}

// LazySession returns a session that connects with its first query. Source tells people where the list of managers
// comes from. With allowDown it connects even if some managers do not answer.
func LazySession(endpoints []fanout.Endpoint, source string, allowDown bool) *Session {
	s := &Session{lazy: true, source: source, allowDown: allowDown}
	s.known.Store(&membership{members: unidentified(endpoints)})
	return s
}

func unidentified(endpoints []fanout.Endpoint) []Member {
	out := make([]Member, len(endpoints))
	for i, e := range endpoints {
		out[i].Endpoint = e
	}
	return out
}

// Members returns the managers of the session, in its order.
func (s *Session) Members() []Member { return s.known.Load().members }

// Connected reports whether the managers have answered. A session that connects with its first query is not
// connected before.
func (s *Session) Connected() bool { return s.known.Load().connected }

// AllowsDown reports whether the session accepts managers that do not answer.
func (s *Session) AllowsDown() bool { return s.allowDown }

// Endpoints returns the addresses of the managers, in the session's order.
func (s *Session) Endpoints() []fanout.Endpoint {
	members := s.Members()
	out := make([]fanout.Endpoint, len(members))
	for i, m := range members {
		out[i] = m.Endpoint
	}
	return out
}

// Query reads a path from every manager at once. If the session is not connected yet, the responses connect it:
// a separate request for that would double the time of the first query. A manager is connected if its answer can be
// read, or says that it does not have the store, or that it can't tell because it can't read its catalog. Query returns
// the responses also with an error of the connection.
func (s *Session) Query(ctx context.Context, call Caller, path string, read Reader) ([]Response, error) {
	if !s.Connected() {
		s.connecting.Lock()
		defer s.connecting.Unlock()
	}
	responses, err := call.QueryMembers(ctx, s.Members(), path)
	if err != nil {
		return nil, err
	}
	for i := range responses {
		responses[i].Read(read)
	}
	if s.Connected() { // another task may have connected it meanwhile
		return responses, nil
	}
	probes := make([]Probe, len(responses))
	for i := range responses {
		r := &responses[i]
		probes[i] = Probe{Member: r.Member, Row: r.Row}
		if r.Answered() || r.readOnly() {
			probes[i].Row, probes[i].Health = connectedRow(r.Endpoint, r.Answer), r.Answer.Health
		} else {
			probes[i].Row.Action = ConnectAction
		}
	}
	return responses, s.connect(ctx, call, probes, false)
}

// identify asks the managers for their identity, unless the session has done so or belongs to one call.
func (s *Session) identify(ctx context.Context, call Caller) error {
	if !s.lazy || s.known.Load().identified {
		return nil
	}
	s.connecting.Lock()
	defer s.connecting.Unlock()
	if s.known.Load().identified {
		return nil
	}
	return s.connect(ctx, call, call.Probe(ctx, s.Endpoints()), true)
}

// connect stores which managers answered. It shows rows only if some did not answer. The caller holds s.connecting.
func (s *Session) connect(ctx context.Context, call Caller, probes []Probe, identified bool) error {
	members, err := connectable(ctx, call.Builtin, probes, s.allowDown)
	if n := silent(probes); err != nil && call.TopologyChange != "" && ctx.Err() == nil && 0 < n && n < len(probes) {
		err = incomplete(call.TopologyChange, probes)
	}
	if silent(probes) > 0 {
		call.ShowProbes(probes, err)
	}
	if err != nil {
		return err
	}
	for _, text := range UnwellNotices(probes) {
		call.Notice(text)
	}
	if !s.Connected() && s.source != "" {
		call.Notice(fmt.Sprintf("connected to %s, from %s", Listed(answering(probes)), s.source))
	}
	s.known.Store(&membership{members: members, connected: true, identified: identified})
	return nil
}

// Complete returns an error unless every manager of the session is connected and its identity is known. A topology
// change needs all managers. It contacts them unless it is known that all are there: one that was down may have been
// started since.
func (s *Session) Complete(ctx context.Context, call Caller) error {
	s.connecting.Lock()
	defer s.connecting.Unlock()
	if s.known.Load().complete() {
		return nil
	}
	probes := call.Probe(ctx, s.Endpoints())
	call.NoteProbes(probes)
	if !s.Connected() {
		if err := s.connect(ctx, call, probes, true); err != nil && (ctx.Err() != nil || silent(probes) == 0) {
			return err
		}
	}
	members, err := connectable(ctx, call.Builtin, probes, true)
	switch {
	case ctx.Err() != nil:
		return err
	case silent(probes) > 0:
		return incomplete(call.Builtin, probes)
	case err != nil:
		return err
	}
	s.known.Store(&membership{members: members, connected: true, identified: true})
	return nil
}

// complete reports whether every manager was connected, and told its identity.
func (m *membership) complete() bool {
	return m.identified && !slices.ContainsFunc(m.members, func(m Member) bool { return m.Info == nil })
}

// Reachable returns the session of the managers that answer now, and the probes of all. It returns an error if none
// answers, or if the session does not connect because one does not answer.
func (s *Session) Reachable(ctx context.Context, call Caller) (*Session, []Probe, error) {
	if err := s.identify(ctx, call); err != nil {
		return nil, nil, err
	}
	return s.Answering(ctx, call)
}

// Answering is Reachable without connecting the session.
func (s *Session) Answering(ctx context.Context, call Caller) (*Session, []Probe, error) {
	probes := call.Probe(ctx, s.Endpoints())
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	var there []Member
	for _, p := range probes {
		if p.Info != nil {
			there = append(there, p.Member)
		}
	}
	if len(there) == 0 {
		return nil, probes, notConnected(probes, len(probes))
	}
	if err := distinct(probes); err != nil {
		return nil, probes, err
	}
	return NewSession(there), probes, nil
}

// ConnectProbed connects the session, if it is not connected yet and is to be, with the probes that Answering returned.
func (s *Session) ConnectProbed(ctx context.Context, call Caller, probes []Probe) error {
	s.connecting.Lock()
	defer s.connecting.Unlock()
	if !s.lazy || s.Connected() {
		return nil
	}
	return s.connect(ctx, call, probes, true)
}

// Secured reports whether every manager of the session is secured.
func (s *Session) Secured() bool {
	return !slices.ContainsFunc(s.Members(), func(m Member) bool { return m.Info == nil || m.Info.Security == nil })
}

// Participants returns the members whose identity is known as the participants of an operation, and the coordinator
// of a new store: the participant with the smallest identity.
func Participants(members []Member) (list []wire.Manager, coordinator string) {
	for _, m := range members {
		if m.Info == nil {
			continue
		}
		list = append(list, wire.Manager{Identity: m.Info.Identity, URL: m.Endpoint.URL()})
		if coordinator == "" || m.Info.Identity < coordinator {
			coordinator = m.Info.Identity
		}
	}
	return list, coordinator
}

// Listed returns the names of a few managers, or the number of many.
func Listed(endpoints []fanout.Endpoint) string {
	if len(endpoints) > 5 {
		return fmt.Sprintf("%d managers, %s to %s", len(endpoints), endpoints[0], endpoints[len(endpoints)-1])
	}
	names := make([]string, len(endpoints))
	for i, e := range endpoints {
		names[i] = e.String()
	}
	return strings.Join(names, ", ")
}
