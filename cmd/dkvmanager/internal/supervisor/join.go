package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

const (
	// membershipTimeout bounds one round of reading and changing a store's members.
	membershipTimeout = 5 * time.Second
	// membersTimeout bounds the reading alone: a store without its quorum never responds.
	membersTimeout = 3 * time.Second
	// membershipRetry is the interval of requests for a membership change. A store refuses a change until a new member
	// has caught up, and for some seconds after every other change.
	membershipRetry = 500 * time.Millisecond
	// memberListRest is the time for which the member list must not have changed before a new member starts.
	memberListRest = 300 * time.Millisecond
	// otherJoinerTimeout bounds the wait of a joiner for the start of another one.
	otherJoinerTimeout = 5 * time.Second
)

// join adds a data instance to its running store as a learner, and plans its start with the members at that time. It
// can be interrupted at any point and repeated:
//
//   - spec.json says Join before the instance is added to the store, and until it votes;
//   - a member with a name has started once; if its data is gone it is removed and added again,
//     because a voter that forgot its votes could undo acknowledged writes;
//   - data of an instance that is no member is left over from an earlier attempt.
func (w *worker) join(ctx context.Context, want desiredState, spec *engine.Spec) (*engine.Spec, error) {
	spec.Start = engine.Join
	if !w.joining(want) {
		if err := w.save(spec); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	m, members, err := w.members(ctx, w.known)
	if err != nil {
		// An instance that has started once knows the members itself, if the others don't run now.
		if peers := w.spec.Peers; len(peers) > 0 && w.hasData(want) {
			spec.Peers = peers
			return spec, nil
		}
		return nil, err
	}
	defer m.Close()
	w.due = time.Now().Add(jitter(membershipRetry))
	address := clusterAddress(want.node)
	me := memberAt(members, address)
	if me != nil && me.Name != "" && !w.hasData(want) {
		if err := m.Remove(ctx, me.ID); err != nil {
			return nil, fmt.Errorf("waiting to be removed from the store, because its data is gone: %w", err)
		}
		me = nil
	}
	if me == nil {
		if w.waitForOtherJoiner(members) {
			return nil, nil
		}
		if err := os.RemoveAll(w.dataFolder(want)); err != nil {
			return nil, err
		}
		if err := m.Add(ctx, address); err != nil {
			return nil, fmt.Errorf("waiting to be added to the store: %w", err)
		}
		if members, err = m.Members(ctx); err != nil {
			return nil, err
		}
	}
	// Another instance may have been added at the same moment.
	if memberList := fmt.Sprint(members); memberList != w.memberList {
		w.memberList = memberList
		w.due = time.Now().Add(memberListRest)
		return nil, nil
	}
	spec.Peers = peers(want.store, members)
	return spec, nil
}

// waitForOtherJoiner reports whether to wait because another new member is about to start: the engine starts a new
// member only with exactly the members of that moment. The wait is bounded by otherJoinerTimeout.
func (w *worker) waitForOtherJoiner(members []engine.Member) bool {
	starting := slices.ContainsFunc(members, func(m engine.Member) bool { return m.Learner && m.Name == "" })
	switch {
	case !starting:
		w.waitingSince = time.Time{}
		return false
	case w.waitingSince.IsZero():
		w.waitingSince = time.Now()
	}
	w.due = time.Now().Add(memberListRest)
	return time.Since(w.waitingSince) < otherJoinerTimeout
}

// completeJoin promotes a running data instance to a voter, and then marks durably that it has been part of the store.
// From then on the instance removes orphan members.
func (w *worker) completeJoin(ctx context.Context, want desiredState) error {
	if w.state.PID != w.proc.pid {
		return nil // it has not responded yet
	}
	if w.state.Bootstrapped && !w.state.Learner {
		if w.joining(want) {
			spec := *w.spec
			spec.Start = engine.Resume
			if err := w.save(&spec); err != nil {
				return err
			}
		}
		if !want.local.Bootstrapped {
			return w.s.markBootstrapped(w.place, want.store.Creation)
		}
		return w.removeOrphans(ctx, want)
	}
	if !w.joining(want) {
		return nil
	}
	w.due = time.Now().Add(jitter(membershipRetry))
	return w.promote(ctx, want)
}

// promote asks the store to give the instance its vote.
func (w *worker) promote(ctx context.Context, want desiredState) error {
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	m, members, err := w.members(ctx, w.known)
	if err != nil {
		return err
	}
	defer m.Close()
	me := memberAt(members, clusterAddress(want.node))
	if me == nil {
		w.stopProcess(stopGrace)
		return fmt.Errorf("the store has removed the instance: it joins again")
	}
	if !me.Learner {
		return nil
	}
	if err := m.Promote(ctx, me.ID); err != nil {
		return fmt.Errorf("copying the data: %w", err)
	}
	return nil
}

// members dials a running store and returns its members. The caller closes the membership.
func (w *worker) members(ctx context.Context, endpoints []string) (engine.Membership, []engine.Member, error) {
	there := w.s.accepting(ctx, endpoints)
	if len(there) == 0 {
		return nil, nil, fmt.Errorf("waiting for the running store: no data instance of it is up at %s", strings.Join(endpoints, ", "))
	}
	m, err := w.s.opts.Engine.Dial(w.s.opts.Bind, there)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, membersTimeout)
	defer cancel()
	members, err := m.Members(ctx)
	if err == nil {
		return m, members, nil
	}
	m.Close()
	if ctx.Err() != nil {
		err = errors.New("it does not respond: too few of its data instances run")
	}
	return nil, nil, fmt.Errorf("waiting for the running store at %s: %w", strings.Join(there, ", "), err)
}

// memberAt returns the member with a cluster address, or nil.
func memberAt(members []engine.Member, address string) *engine.Member {
	for i := range members {
		if strings.EqualFold(members[i].Address, address) {
			return &members[i]
		}
	}
	return nil
}

// peers returns all members as peers. A member that has never started has no name yet and gets that of the topology.
func peers(store *catalog.Store, members []engine.Member) []engine.Peer {
	names := map[string]string{}
	for _, n := range store.Nodes {
		names[strings.ToLower(clusterAddress(n))] = n.Name
	}
	peers := make([]engine.Peer, len(members))
	for i, m := range members {
		name := m.Name
		if name == "" {
			name = names[strings.ToLower(m.Address)]
		}
		if name == "" {
			name = fmt.Sprintf("member-%x", m.ID)
		}
		peers[i] = engine.Peer{Name: name, Address: m.Address}
	}
	return peers
}

// markBootstrapped records that an instance has been part of the running store.
func (s *Supervisor) markBootstrapped(p place, operation string) error {
	return s.update(func(d *catalog.Data) error {
		if store := d.Stores[p.store]; store != nil && store.Creation == operation && store.Local[p.instance] != nil {
			store.Local[p.instance].Bootstrapped = true
		}
		return nil
	})
}

// withoutVote returns the names of the nodes that have no vote yet.
func withoutVote(nodes []wire.Node, members []engine.Member) []string {
	var names []string
	for _, n := range nodes {
		if m := memberAt(members, clusterAddress(n)); m == nil || m.Learner {
			names = append(names, n.Name)
		}
	}
	return names
}
