package supervisor

import (
	"cmp"
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
	members, err := w.readMembers(ctx, w.known)
	if err != nil {
		// An instance that has started once knows the members itself, if the others don't run now.
		if peers := w.spec.Peers; len(peers) > 0 && w.hasData(want) {
			spec.Peers = peers
			return spec, nil
		}
		return nil, err
	}
	w.due = time.Now().Add(jitter(membershipRetry))
	address := clusterAddress(want.node)
	me := memberAt(members, address)
	if me != nil && me.Name != "" && !w.hasData(want) {
		if err := w.changeMember(ctx, want, wire.RemoveLostMember, me); err != nil {
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
		if err := w.changeMember(ctx, want, wire.AddMember, nil); err != nil {
			return nil, fmt.Errorf("waiting to be added to the store: %w", err)
		}
		if members, err = w.readMembers(ctx, w.known); err != nil {
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

// promote asks the store to make the instance a voting member.
func (w *worker) promote(ctx context.Context, want desiredState) error {
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	members, err := w.readMembers(ctx, w.known)
	if err != nil {
		return err
	}
	me := memberAt(members, clusterAddress(want.node))
	if me == nil {
		w.stopProcess(stopGrace)
		return fmt.Errorf("the store has removed the instance: it joins again")
	}
	if !me.Learner {
		return nil
	}
	if err := w.changeMember(ctx, want, wire.PromoteMember, me); err != nil {
		return fmt.Errorf("copying the data: %w", err)
	}
	return nil
}

// readMembers returns the members of a running store. It reads them at the client ports of its data instances, where
// every client may.
func (w *worker) readMembers(ctx context.Context, endpoints []string) ([]engine.Member, error) {
	there := accepting(ctx, w.s.opts.Bind, endpoints)
	if len(there) == 0 {
		return nil, fmt.Errorf("waiting for the running store: no data instance of it is up at %s", strings.Join(endpoints, ", "))
	}
	m, err := w.s.opts.Engine.Dial(w.s.opts.Bind, there, w.s.keys.client(w.store))
	if err != nil {
		return nil, err
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(ctx, membersTimeout)
	defer cancel()
	members, err := m.Members(ctx)
	if err == nil {
		return members, nil
	}
	if ctx.Err() != nil {
		err = errors.New("it does not respond: too few of its data instances run")
	}
	return nil, fmt.Errorf("waiting for the running store at %s: %w", strings.Join(there, ", "), err)
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

// removeMemberTimeout bounds the attempts to remove an instance whose data was deleted from the members of its store.
const removeMemberTimeout = time.Minute

// leave removes an instance that the topology has dropped from its running store, then stops it, deletes its folder,
// and drops it from the catalog. After a crash each step is found done or done again.
func (w *worker) leave(ctx context.Context, want desiredState) error {
	if !w.mayBeMember(want) {
		return w.finishLeaving(want)
	}
	contacts := clientEndpoints(want.others())
	round, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	if want.local.LoseData {
		return w.discardData(round, want, contacts)
	}
	members, err := w.readMembers(round, contacts)
	if err != nil {
		needed := len(accepting(ctx, w.s.opts.Bind, contacts)) > 0
		return cmp.Or(w.keepWhileNeeded(ctx, want, needed), err)
	}
	w.due = time.Now().Add(jitter(membershipRetry))
	me := memberAt(members, clusterAddress(want.node))
	if me == nil {
		return w.finishLeaving(want)
	}
	if missing := withoutVote(want.others(), members); !me.Learner && len(missing) > 0 {
		return cmp.Or(w.keepWhileNeeded(ctx, want, w.proc != nil), waitsToLeave(missing))
	}
	if err := w.changeMember(round, want, wire.LeaveMember, me); err != nil {
		return fmt.Errorf("waiting to be removed from the store: %w", err)
	}
	w.stopProcess(stopGrace)
	w.poll.Reset()
	return nil
}

// mayBeMember reports whether the instance may be a member of the running store.
func (w *worker) mayBeMember(want desiredState) bool {
	return want.node.Role == wire.Data && (want.local.Bootstrapped || want.founder() || w.joining(want))
}

// keepWhileNeeded keeps a leaving instance running until its store can remove it. One that should be stopped runs as
// well while it is needed for the quorum of the others.
func (w *worker) keepWhileNeeded(ctx context.Context, want desiredState, needed bool) error {
	shouldRun := needed || want.local.Desired == wire.DesiredRunning
	switch {
	case w.proc != nil && shouldRun && w.stoppingSince.IsZero():
		return nil
	case w.proc != nil:
		w.stopProcess(stopGrace)
		return nil
	case !shouldRun || !w.hasData(want) || w.joining(want):
		return nil
	case time.Until(w.notBefore) > 0:
		w.due = w.notBefore
		return nil
	default:
		return w.start(ctx, want)
	}
}

// discardData ends an instance and deletes its data at once. It tries for a while to remove it from the store's
// members.
func (w *worker) discardData(ctx context.Context, want desiredState, contacts []string) error {
	if !w.stopProcess(0) {
		return nil
	}
	// The rest of the folder stays until the end: it shows whether the instance may be a member.
	if err := os.RemoveAll(w.dataFolder(want)); err != nil {
		return err
	}
	if w.dataLostSince.IsZero() {
		w.dataLostSince = time.Now()
	}
	err := w.removeMember(ctx, want, contacts)
	if err == nil {
		return w.finishLeaving(want)
	}
	if time.Since(w.dataLostSince) < removeMemberTimeout {
		return err
	}
	w.log.Warn("could not remove the instance from its store, which still counts it as a member", "error", err)
	return w.finishLeaving(want)
}

// removeMember removes an instance without data from its store's members.
func (w *worker) removeMember(ctx context.Context, want desiredState, contacts []string) error {
	members, err := w.readMembers(ctx, contacts)
	if err != nil {
		return err
	}
	me := memberAt(members, clusterAddress(want.node))
	if me == nil {
		return nil
	}
	return w.changeMember(ctx, want, wire.RemoveLostMember, me)
}

// finishLeaving stops the process, deletes the folder, then drops the instance from the catalog.
func (w *worker) finishLeaving(want desiredState) error {
	if !w.stopProcess(stopGrace) {
		return nil
	}
	if err := deleteData(w.dir, want.store.Creation); err != nil {
		return err
	}
	w.spec = nil
	return w.s.update(func(d *catalog.Data) error {
		store := d.Stores[w.store]
		if store == nil || store.Creation != want.store.Creation {
			return nil
		}
		local := store.Local[w.instance]
		if local == nil || local.Leaving == nil {
			return nil
		}
		delete(store.Local, w.instance)
		// A new instance of the same name starts without the old one's marks.
		if slices.ContainsFunc(store.Nodes, func(n wire.Node) bool { return n.Name == w.instance }) {
			store.Local[w.instance] = &catalog.Local{Desired: local.Desired}
		}
		return nil
	})
}

// orphanPatience is the time for which no process must have listened at the address of an orphan member before another
// instance's manager removes it.
const orphanPatience = 30 * time.Second

// membershipCheckEvery is the interval of membership checks while there are orphan members. Without any, it is twice
// orphanPatience.
const membershipCheckEvery = 2 * time.Second

// membershipCheck holds what a worker knows about the orphan members of its store.
type membershipCheck struct {
	clean       string               // the operation of the configuration that had no orphans at the last check; else ""
	notBefore   time.Time            // the earliest time of the next check
	silentSince map[uint64]time.Time // by member: since when no process listens there
	found       error                // by the last check
}

// removeOrphans removes members from the running store that are no longer in its topology. Normally the instance's own
// manager does this (see leave); it is needed when that manager is gone for good. A dead member counts for the quorum,
// and while there is one the store adds no other.
func (w *worker) removeOrphans(ctx context.Context, want desiredState) error {
	changed := w.membershipCheck.clean != "" && w.membershipCheck.clean != want.store.LastCommitted()
	if !changed && time.Until(w.membershipCheck.notBefore) > 0 {
		return w.membershipCheck.found
	}
	w.membershipCheck.clean, w.membershipCheck.notBefore = "", time.Now().Add(jitter(membershipCheckEvery))
	w.membershipCheck.found = w.checkMembership(ctx, want)
	return w.membershipCheck.found
}

// checkMembership reads the members and removes orphans after their waiting time. The error names an orphan
// that is still a member.
func (w *worker) checkMembership(ctx context.Context, want desiredState) error {
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	m, err := w.s.opts.Engine.DialLocal(w.dir)
	if err != nil {
		return err
	}
	defer m.Close()
	reading, cancel := context.WithTimeout(ctx, membersTimeout)
	defer cancel()
	members, err := m.Members(reading)
	if err != nil {
		return nil // without a quorum nothing can be checked; the instance's state says so
	}
	found := orphans(want.store, members)
	if len(found) == 0 {
		// A manager that was away may still add an orphan before it learns that it was declared lost.
		w.membershipCheck = membershipCheck{clean: want.store.LastCommitted(),
			notBefore: time.Now().Add(jitter(2 * w.s.opts.OrphanPatience))}
		return nil
	}
	for _, orphan := range w.silentOrphans(ctx, found) {
		// Confirmed after the members were read: every member of that time is in the topology by now.
		err := w.s.opts.Confirm(ctx, w.store, want.store.LastCommitted())
		if err == nil {
			err = m.Remove(ctx, orphan.ID)
		}
		if err != nil {
			return fmt.Errorf("%s at %s is not in the topology, does not answer, and is still a member: %w", memberName(orphan), orphan.Address, err)
		}
		w.s.opts.Log.Info("removed an orphan member: its server is gone", "store", w.store, "member", memberName(orphan), "address", orphan.Address)
	}
	return nil
}

// memberName returns a member's name for messages; a member has none before its first start.
func memberName(m engine.Member) string { return cmp.Or(m.Name, "a member that never started") }

// silentOrphans returns the orphans at whose addresses no process has listened for orphanPatience.
func (w *worker) silentOrphans(ctx context.Context, found []engine.Member) []engine.Member {
	silentSince := map[uint64]time.Time{}
	var due []engine.Member
	for _, orphan := range found {
		if accepts(ctx, w.s.opts.Bind, orphan.Address) {
			continue
		}
		since, known := w.membershipCheck.silentSince[orphan.ID]
		if !known {
			since = time.Now()
		}
		silentSince[orphan.ID] = since
		if time.Since(since) >= w.s.opts.OrphanPatience {
			due = append(due, orphan)
		}
	}
	w.membershipCheck.silentSince = silentSince
	return due
}

// orphans returns the members at addresses where the topology has no data instance.
func orphans(store *catalog.Store, members []engine.Member) []engine.Member {
	known := map[string]bool{}
	for _, n := range store.Nodes {
		known[strings.ToLower(clusterAddress(n))] = n.Role == wire.Data
	}
	var found []engine.Member
	for _, m := range members {
		if !known[strings.ToLower(m.Address)] {
			found = append(found, m)
		}
	}
	return found
}
