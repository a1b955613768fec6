package twophase

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	runner "dkvrun/runtime/commit"
	"dkvrun/runtime/wire"
)

// manager is one simulated dkvmanager: the participant under test over a simulated disk.
type manager struct {
	process
	s           *simulation
	disk        *disk
	host        string
	participant *Participant
	gone        bool // it is not restarted
	older       bool // its refusals name neither the operation nor the manager
	// committed and aborted are all operations that ended so at this manager. Entries are never removed.
	committed, aborted map[string]bool
	// suspects are the suspect stores of its last write, and names whether it was suspect for all names.
	suspects []string
	names    bool
}

func (m *manager) url() string { return "http://" + m.host }

// start starts the manager on its disk.
func (m *manager) start() {
	m.down = false
	m.disk.open()
	m.participant = New(Options{
		Catalog: m.disk, Peers: m, Engine: "etcd", Queries: 1,
		Owns:  func(n wire.Node) bool { return n.Host == m.host },
		Ports: func(string, []wire.Node) error { return nil },
		Now:   func() time.Time { return m.s.now },
	})
	m.s.spawn(&m.process, func() {
		if m.participant.Start() != nil { // the write failed: the daemon exits, and is restarted
			m.s.crash(m)
			return
		}
		for round := 0; ; round++ {
			_ = m.participant.Resolve(context.Background()) // a silent coordinator is one of the simulated faults
			if round%reconcileEvery == 0 {
				_ = m.participant.reconcile(context.Background())
			}
			if m.s.weak.expireAnywhere {
				m.expireVotes()
			}
			m.s.sleep(wire.ResolveEvery)
		}
	})
}

// expireVotes is a weakness: any participant aborts an operation whose decision it does not learn in time.
func (m *manager) expireVotes() {
	for _, n := range m.disk.Snapshot().Names {
		if p := n.Prepared; p != nil && m.s.now.Sub(p.Since) > wire.ExpireAfter {
			_ = m.disk.Update(func(d *catalog.Data) error { d.RecordDecision(decisionOf(p, false), m.s.now); return nil })
		}
	}
}

// serve handles a request to the participant, as the admin API does.
func (m *manager) serve(r runner.Request) runner.Reply {
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		m.s.fail("a query that can't be read: %s", r.Query)
	}
	if store, found := strings.CutPrefix(r.Path, wire.StoresPath()+"/"); found {
		return m.serveStore(store, r, query)
	}
	var op wire.OperationStatus
	id, verb, _ := strings.Cut(strings.TrimPrefix(r.Path, wire.OperationsPath()+"/"), "/")
	switch {
	case r.Method == "GET":
		op, err = m.participant.Operation(id)
	case query.Get("to") != m.disk.identity:
		err = wire.RefuseWrongManager.With(m.disk.identity)
	case r.Path == wire.OperationsPath():
		id, op, err = m.prepare(r.Body)
	case verb == "commit":
		op, err = m.commit(id, query.Get("epoch"))
	case verb == "abort":
		var body wire.AbortRequest
		m.s.decode(r.Body, &body)
		op, err = m.participant.Abort(id, body)
	case verb == "renew":
		op, err = m.participant.Renew(id)
	default:
		m.s.fail("a path that no manager has: %s", r.Path)
	}
	if c := m.s.changes[id]; c != nil && op.Digest != "" && (m.s.weak.noBase || m.s.weak.anyContent) {
		op.Digest, op.Store = c.Digest(), c.Store
	}
	return m.answer(id, op, err)
}

// serveStore handles the requests of a replacement.
func (m *manager) serveStore(path string, r runner.Request, query url.Values) runner.Reply {
	store, verb, _ := strings.Cut(path, "/")
	ctx := context.Background()
	var state wire.StoreState
	var err error
	switch {
	case verb == "state":
		state, err = m.participant.State(store)
		if p := m.disk.Snapshot().Name(store).Prepared; p != nil && query.Has("content") {
			state.Content = &p.Operation
		}
	case query.Get("to") != m.disk.identity:
		err = wire.RefuseWrongManager.With(m.disk.identity)
	case verb == "settle":
		state, err = m.participant.ResolveStore(ctx, store, query.Get("home"))
	case verb == "fence":
		var body wire.FenceRequest
		m.s.decode(r.Body, &body)
		state, err = m.participant.FenceCoordinator(ctx, store, body)
	case verb == "heal":
		var body wire.HealRequest
		m.s.decode(r.Body, &body)
		state, err = m.participant.Heal(ctx, store, body)
	case verb == "decide":
		var body wire.DecideRequest
		m.s.decode(r.Body, &body)
		state, err = m.participant.ReplaceCoordinator(store, body)
	default:
		m.s.fail("a path that no manager has: %s", r.Path)
	}
	return m.answer("", state, err)
}

// answer returns the reply to a request with a value or an error. id is the operation of the request, or "".
func (m *manager) answer(id string, value any, err error) runner.Reply {
	var refusal *wire.Result
	if err != nil && !errors.As(err, &refusal) {
		m.s.fail("%s answers with an internal error: %v", m.host, err)
	}
	status := 200
	if refusal != nil {
		named := *refusal
		if !m.older {
			named.Manager, named.OperationID = m.disk.identity, id
		}
		status, value = named.StatusCode, named
	}
	body, err := json.Marshal(value)
	if err != nil {
		m.s.fail("an answer that can't be written: %v", err)
	}
	return runner.Reply{Status: status, Body: body}
}

func (m *manager) prepare(body []byte) (id string, op wire.OperationStatus, err error) {
	var c wire.Operation
	m.s.decode(body, &c)
	if m.s.weak.noBase && c.BaseRevision > 0 {
		if s := m.disk.Snapshot().Stores[c.Store]; s != nil {
			c.BaseRevision, c.BaseOperation = s.Revision, s.LastCommitted()
		}
	}
	if c.DryRun {
		op, err = m.participant.Preflight(c)
	} else {
		op, err = m.participant.Prepare(c)
	}
	return c.ID, op, err
}

// commit calls Commit, and checks that a participant that voted does not refuse it once the coordinator has committed
// (I4), unless its disk has failed.
func (m *manager) commit(id, epoch string) (wire.OperationStatus, error) {
	number, err := strconv.ParseUint(epoch, 10, 64)
	if err != nil {
		m.s.fail("an epoch that is no number: %q", epoch)
	}
	p := m.disk.Snapshot().Prepared(id)
	op, err := m.participant.Commit(id, number)
	var refusal *wire.Result
	if p != nil && p.Epoch == number && m.s.passedCommitPoint(id) && errors.As(err, &refusal) &&
		refusal.Code != wire.CodeReadOnly && refusal.Code != wire.CodeFenced && refusal.Code != wire.CodeSuspect {
		m.s.fail("I4: %s voted for %s and refuses the commit: %v", m.host, id, err)
	}
	return op, err
}
