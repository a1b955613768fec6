package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// The members of a running store are changed over the socket of a data instance that votes, which only its own manager
// reaches. The manager of an instance that joins or leaves uses one on its own server, if there is one. Else it asks
// the manager of another one, and shows the step that it asks for in its state (Asks). The manager that is asked reads
// it there: a request from anybody else, or one that arrives late, changes nothing.

// Peers asks other managers.
type Peers interface {
	// ChangeMember asks a manager, in the name of the manager from, to change the members of a running store. An error
	// that is a *wire.Result is that manager's refusal.
	ChangeMember(ctx context.Context, to wire.Manager, from, store string, change wire.ChangeMember) error
}

// managerTimeout bounds the wait for one other manager, so that there is time to ask a second one.
const managerTimeout = 3 * time.Second

// Asks returns the steps that this server's instances of a store ask other managers for at this moment.
func (s *Supervisor) Asks(store string) []wire.MemberAsk {
	var asks []wire.MemberAsk
	for _, w := range s.workersOf(store) {
		w.mu.Lock()
		if w.ask != nil {
			asks = append(asks, *w.ask)
		}
		w.mu.Unlock()
	}
	return asks
}

// ChangeMember carries out a step that another manager asks for, over the socket of one of this server's instances, and
// returns the members after it. The caller has read the step in the state of that manager, and has compared it with
// the topology. Repeating a step changes nothing. The error is a *wire.Result.
func (s *Supervisor) ChangeMember(ctx context.Context, store string, ask wire.MemberAsk) (
	after []wire.Member, changed bool, err error) {
	known := s.view.Load().Stores[store]
	if known == nil {
		return nil, false, wire.RefuseStoreNotFound.With(store)
	}
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	m := s.voter(ctx, known, "")
	if m == nil {
		return nil, false, wire.RefuseNoVoterHere.With(store)
	}
	defer m.Close()
	if changed, err = s.takeStep(ctx, m, known, ask); err != nil {
		return nil, false, wire.RefuseMembersNotReady.With(err)
	}
	members, err := m.Members(ctx)
	if err != nil {
		return nil, false, wire.RefuseMembersNotReady.With(err)
	}
	names := peers(known, members)
	after = make([]wire.Member, len(members))
	for i, m := range members {
		after[i] = wire.Member{Name: names[i].Name, Role: wire.Voter}
		if m.Learner {
			after[i].Role = wire.Learner
		}
	}
	return after, changed, nil
}

// voter returns the membership of a running store over the socket of one of this server's instances that votes, or nil.
// It prefers an instance that is ready, then one other than last.
func (s *Supervisor) voter(ctx context.Context, store *catalog.Store, last string) engine.Membership {
	best, rank := (*worker)(nil), 0
	for _, w := range s.workersOf(store.Name) {
		if w.lastObserved().pid == 0 {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		state, err := w.client.State(asking)
		cancel()
		if err != nil || state.Operation != store.Creation || !state.Bootstrapped || state.Learner {
			continue
		}
		// One that is not ready, because the store is full, may still be able to change the members.
		this := 1
		if w.instance != last {
			this++
		}
		if state.Ready {
			this += 2
		}
		if this > rank {
			best, rank = w, this
		}
	}
	if best == nil {
		return nil
	}
	m, err := s.opts.Engine.DialLocal(best.dir)
	if err != nil {
		return nil
	}
	return m
}

// stepTimeout bounds one attempt of a step. A change of members that is proposed while another one is in progress may
// be dropped without an answer.
const stepTimeout = time.Second

// takeStep carries out a step through m, and tries again until ctx is done if there is no answer. It reports whether it
// changed the members.
func (s *Supervisor) takeStep(ctx context.Context, m engine.Membership, store *catalog.Store,
	ask wire.MemberAsk) (changed bool, err error) {
	for {
		attempt, cancel := context.WithTimeout(ctx, stepTimeout)
		changed, err := s.tryStep(attempt, m, store, ask)
		unanswered := attempt.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !unanswered {
			return changed && err == nil, err
		}
	}
}

// tryStep does the work of takeStep once. A step that names a member which has been replaced or removed since changes
// nothing.
func (s *Supervisor) tryStep(ctx context.Context, m engine.Membership, store *catalog.Store,
	ask wire.MemberAsk) (changed bool, err error) {
	members, err := m.Members(ctx)
	if err != nil {
		return false, err
	}
	address := clusterAddress(ask.Node)
	member := memberAt(members, address)
	switch {
	case ask.Step == wire.AddMember:
		return member == nil, m.Add(ctx, address)
	case member == nil || memberID(member) != ask.Member:
		return false, nil
	case ask.Step == wire.PromoteMember:
		return member.Learner, m.Promote(ctx, member.ID)
	case ask.Step == wire.LeaveMember:
		if missing := withoutVote(otherData(store, ask.Node), members); !member.Learner && len(missing) > 0 {
			return false, waitsToLeave(missing)
		}
	case accepts(ctx, s.opts.Bind, address):
		return false, fmt.Errorf("a process listens at %s", address)
	}
	return true, m.Remove(ctx, member.ID)
}

// memberID returns the id of a member as managers exchange it.
func memberID(m *engine.Member) string { return strconv.FormatUint(m.ID, 16) }

// waitsToLeave returns the error of a data instance that leaves, while others have no vote yet.
func waitsToLeave(missing []string) error {
	have := "has"
	if len(missing) > 1 {
		have = "have"
	}
	return fmt.Errorf("leaves when %s %s taken over the data", strings.Join(missing, ", "), have)
}

// changeMember takes a step for the instance: over the socket of an instance of this server that votes, else through
// another manager. The member is nil for AddMember.
func (w *worker) changeMember(ctx context.Context, want desiredState, step wire.MemberStep,
	member *engine.Member) error {
	ask := wire.MemberAsk{Step: step, Node: want.node}
	if member != nil {
		ask.Member = memberID(member)
	}
	if m := w.s.voter(ctx, want.store, w.instance); m != nil {
		defer m.Close()
		_, err := w.s.takeStep(ctx, m, want.store, ask)
		return err
	}
	w.publishAsk(&ask)
	defer w.publishAsk(nil)
	return w.askManagers(ctx, want, wire.ChangeMember{Instance: ask.Node.Name, Step: step})
}

func (w *worker) publishAsk(ask *wire.MemberAsk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ask = ask
}

// askManagers asks one manager after the other to take a step, until one does or tells that the store does not allow it
// now. The error is that, or the one of the first manager.
func (w *worker) askManagers(ctx context.Context, want desiredState, change wire.ChangeMember) error {
	var first error
	for _, to := range w.managersToAsk(ctx, want) {
		asking, cancel := context.WithTimeout(ctx, managerTimeout)
		err := w.s.opts.Peers.ChangeMember(asking, to, w.s.opts.Catalog.Identity(), want.store.Name, change)
		cancel()
		if err == nil {
			delete(w.askFailed, to.Identity)
			return nil
		}
		w.askFailed[to.Identity] = time.Now()
		var refused *wire.Result
		if errors.As(err, &refused) && refused.Code == wire.CodeStoreNotReady {
			return err
		}
		first = cmp.Or(first, err)
		if ctx.Err() != nil {
			return first
		}
	}
	return cmp.Or(first, errors.New("the topology names no other manager that could be asked"))
}

// managersToAsk returns the other managers of the store. First come those of data instances that are up, then those
// that did not fail, or not lately.
func (w *worker) managersToAsk(ctx context.Context, want desiredState) []wire.Manager {
	up := upAt(want.store, accepting(ctx, w.s.opts.Bind, w.contacts(want)))
	var first, rest []wire.Manager
	for _, m := range want.store.Managers {
		switch {
		case m.Identity == w.s.opts.Catalog.Identity():
		case up(m):
			first = append(first, m)
		default:
			rest = append(rest, m)
		}
	}
	for _, list := range [][]wire.Manager{first, rest} {
		slices.SortStableFunc(list, func(a, b wire.Manager) int {
			return w.askFailed[a.Identity].Compare(w.askFailed[b.Identity])
		})
	}
	return append(first, rest...)
}

// upAt returns a function that reports whether a manager has one of the data instances at the client endpoints. The
// topology names the manager of an instance, or its host alone.
func upAt(store *catalog.Store, endpoints []string) func(wire.Manager) bool {
	at := map[string]bool{}
	for _, endpoint := range endpoints {
		i := slices.Index(clientEndpoints(store.Nodes), endpoint)
		if i >= 0 && store.Nodes[i].Manager != "" {
			at[strings.ToLower(store.Nodes[i].Manager)] = true
		} else if host, _, err := net.SplitHostPort(endpoint); err == nil {
			at[strings.ToLower(host)] = true
		}
	}
	return func(m wire.Manager) bool {
		u, err := url.Parse(m.URL)
		return err == nil && (at[strings.ToLower(u.Host)] || at[strings.ToLower(u.Hostname())])
	}
}
