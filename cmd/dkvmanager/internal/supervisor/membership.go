package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/durable"
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
//   - data of an instance that is no member is left over from an earlier attempt, or of one that voted, and that
//     someone has removed from the store behind the topology's back: that is kept beside the new data.
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
		if err := w.clearData(want); err != nil {
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

// wasRemoved reports whether the process ended because the store has removed the instance, and the store confirms it.
// If the store can't be read, the instance is started as it is.
func (w *worker) wasRemoved(ctx context.Context, want desiredState) bool {
	var died *deathError
	if !errors.As(w.failure, &died) || !strings.HasSuffix(died.reason, engine.RemovedFromStore) {
		return false
	}
	members, err := w.readMembers(ctx, clientEndpoints(want.others()))
	return err == nil && memberAt(members, clusterAddress(want.node)) == nil
}

// clearData makes room for the data of a new member. What the instance had when it voted may have what no other has: it
// is kept under removedFolder, in place of what was kept before.
func (w *worker) clearData(want desiredState) error {
	data := w.dataFolder(want)
	if !want.local.Bootstrapped || !w.hasData(want) {
		return os.RemoveAll(data)
	}
	kept := filepath.Join(w.dir, removedFolder(want.store.Creation))
	if err := os.RemoveAll(kept); err != nil {
		return err
	}
	if err := os.Rename(data, kept); err != nil {
		return err
	}
	w.log.Warn("kept the data of the removed member", "folder", kept)
	return durable.SyncFolder(w.dir)
}

// removedFolder returns the name of the folder with the data of a member that was removed behind the topology's back.
func removedFolder(operation string) string { return "removed-" + dataDir(operation) }

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
// instance's manager removes it. livePatience is the time for which one must have been an orphan whose process listens:
// nearly always its own manager is about to remove it.
const (
	orphanPatience = 30 * time.Second
	livePatience   = 3 * time.Second
)

// membershipCheckEvery is the interval of membership checks while there are orphan members; at first, while its own
// manager removes one, it is membershipRetry. Without any it is twice orphanPatience.
const membershipCheckEvery = 2 * time.Second

// membershipCheck holds what a worker knows about the orphan members of its store.
type membershipCheck struct {
	clean     string                // the operation of the configuration that had no orphans at the last check; else ""
	notBefore time.Time             // the earliest time of the next check
	seen      map[uint64]orphanSeen // by member
	found     error                 // by the last check
}

// orphanSeen says since when a member has been an orphan, and since when no process listens there; zero if one does.
type orphanSeen struct{ since, silentSince time.Time }

// removeOrphans removes members from the running store that are no longer in its topology. Normally the instance's own
// manager does this (see leave); it is needed when that manager is gone for good, or has another catalog. A dead member
// counts for the quorum, and while there is one the store adds no other; a living one takes part in a store that
// doesn't know it.
func (w *worker) removeOrphans(ctx context.Context, want desiredState) error {
	changed := w.membershipCheck.clean != "" && w.membershipCheck.clean != want.store.LastCommitted()
	if !changed && time.Until(w.membershipCheck.notBefore) > 0 {
		w.due = w.membershipCheck.notBefore
		return w.membershipCheck.found
	}
	w.membershipCheck.clean, w.membershipCheck.notBefore = "", time.Now().Add(jitter(membershipCheckEvery))
	w.membershipCheck.found = w.checkMembership(ctx, want)
	return w.membershipCheck.found
}

// checkMembership reads the members, publishes which of them are orphans, and removes at most one of those that are
// due. The error names an orphan that is still a member although no process listens there.
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
	change := want.store.LastCommitted()
	found := orphans(want.store, members)
	if len(found) == 0 {
		// A manager that was away may still add an orphan before it learns that it was declared lost.
		w.membershipCheck = membershipCheck{clean: change, notBefore: time.Now().Add(jitter(2 * w.s.opts.OrphanPatience))}
		w.publishMembers(change, nil)
		return nil
	}
	waits := w.watchOrphans(ctx, want, members, found)
	var failed error
	for i, orphan := range found {
		if waits[i] != "" {
			continue
		}
		live := w.membershipCheck.seen[orphan.ID].silentSince.IsZero()
		if err := w.removeOrphan(ctx, m, want, members, orphan, live); err != nil {
			waits[i] = err.Error()
			if !live {
				failed = cmp.Or(failed, fmt.Errorf("%s at %s is not in the topology, does not answer, and is still a member: %w",
					memberName(orphan), orphan.Address, err))
			}
			continue
		}
		waits[i] = "it was removed just now"
		w.log.Info("removed an orphan member", "member", memberName(orphan), "address", orphan.Address, "listens", live)
		w.membershipCheck.notBefore = time.Now().Add(jitter(membershipRetry))
		break // the next one is judged by the members that are left
	}
	w.publishMembers(change, reportOrphans(found, waits))
	return failed
}

// removeOrphan removes an orphan member, or returns why it must stay. It is safe only by what was read before the
// managers are asked: every member of that time is in the topology by now, or none of them wants it.
func (w *worker) removeOrphan(ctx context.Context, m engine.Membership, want desiredState, members []engine.Member,
	orphan engine.Member, live bool) error {
	if err := w.keepsMajority(ctx, members, orphan); err != nil {
		return err
	}
	address := ""
	if live {
		address = orphan.Address
	}
	if err := w.s.opts.Confirm(ctx, w.store, want.store.LastCommitted(), address); err != nil {
		return err
	}
	return m.Remove(ctx, orphan.ID)
}

// keepsMajority returns an error unless those members that would be left, and that listen, are a majority of them.
func (w *worker) keepsMajority(ctx context.Context, members []engine.Member, without engine.Member) error {
	if without.Learner {
		return nil
	}
	var voters []string
	for _, member := range members {
		if member.ID != without.ID && !member.Learner {
			voters = append(voters, member.Address)
		}
	}
	if up := len(accepting(ctx, w.s.opts.Bind, voters)); up < len(voters)/2+1 {
		return fmt.Errorf("without it the store would have %d of %d data instances, and %d are needed",
			up, len(voters), len(voters)/2+1)
	}
	return nil
}

// memberName returns a member's name for messages; a member has none before its first start.
func memberName(m engine.Member) string { return cmp.Or(m.Name, "a member that never started") }

// watchOrphans returns what the removal of each orphan waits for, or "" for one that is due: no process has listened
// there for orphanPatience, or it has been an orphan for livePatience and every data instance of the topology has a
// vote. The latter is not asked of a dead one: while it is a member, the store adds no other.
func (w *worker) watchOrphans(ctx context.Context, want desiredState, members, found []engine.Member) []string {
	patience := w.s.opts.OrphanPatience
	now, seen := time.Now(), map[uint64]orphanSeen{}
	waits := make([]string, len(found))
	missing := withoutVote(otherData(want.store, wire.Node{}), members)
	for i, orphan := range found {
		this, known := w.membershipCheck.seen[orphan.ID]
		if !known {
			this.since = now
		}
		live := accepts(ctx, w.s.opts.Bind, orphan.Address)
		switch {
		case live:
			this.silentSince = time.Time{}
		case this.silentSince.IsZero():
			this.silentSince = now
		}
		seen[orphan.ID] = this
		switch {
		case !live && now.Sub(this.silentSince) < patience:
			waits[i] = fmt.Sprintf("no process listens at %s: it is removed when none has for %s", orphan.Address, patience)
		case live && len(missing) > 0:
			waits[i] = waitsToLeave(missing).Error()
		case live && now.Sub(this.since) < min(livePatience, patience):
			waits[i] = "waiting for its own manager to remove it"
		}
		if live && now.Sub(this.since) < removeMemberTimeout { // remove_instance waits for this
			w.membershipCheck.notBefore = now.Add(jitter(membershipRetry))
		}
	}
	w.membershipCheck.seen = seen
	return waits
}

// reportOrphans returns the orphans as the manager shows them.
func reportOrphans(found []engine.Member, waits []string) []wire.Orphan {
	var out []wire.Orphan
	for i, orphan := range found[:min(len(found), wire.MaxInstances)] {
		o := wire.Orphan{ID: memberID(&orphan), Name: orphan.Name, Host: orphan.Address, Why: waits[i]}
		if host, port, err := net.SplitHostPort(orphan.Address); err == nil {
			o.Host = host
			o.ClustronPort, _ = strconv.Atoi(port)
		}
		o.Name, o.Host = o.Name[:min(len(o.Name), wire.MaxText)], o.Host[:min(len(o.Host), wire.MaxText)]
		o.Why = strings.ToValidUTF8(o.Why[:min(len(o.Why), wire.MaxWhy)], "")
		out = append(out, o)
	}
	return out
}

// publishMembers publishes a comparison of the members with the topology that a change has made.
func (w *worker) publishMembers(change string, orphans []wire.Orphan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members = wire.MemberCheck{Change: change, Orphans: orphans}
}

// MemberCheck returns the last comparison of a running store's members with the topology by this server's data
// instances, that of the present topology if there is one. It returns nil if the server has no data instance of the
// store.
func (s *Supervisor) MemberCheck(store string) *wire.MemberCheck {
	known := s.view.Load().Stores[store]
	if known == nil {
		return nil
	}
	var found *wire.MemberCheck
	for _, w := range s.workersOf(store) {
		want := desiredIn(s.view.Load(), w.place)
		if !want.isKnown() || want.kind == desireLeave || want.node.Role != wire.Data {
			continue
		}
		w.mu.Lock()
		check, running := w.members, w.observed.status == wire.Running
		w.mu.Unlock()
		switch {
		case !running && found == nil:
			found = &wire.MemberCheck{}
		case running && (found == nil || found.Change != known.LastCommitted()):
			found = &check
		}
	}
	return found
}

// orphans returns the members at addresses where the topology has no data instance, by id.
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
	slices.SortFunc(found, func(a, b engine.Member) int { return cmp.Compare(a.ID, b.ID) })
	return found
}
