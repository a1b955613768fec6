package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// OrphanPatience is the time for which no process must have listened at the address of an orphan member before another
// instance's manager removes it.
const OrphanPatience = 30 * time.Second

// membershipCheckEvery is the interval of membership checks while there are orphan members. Without any, it is twice
// OrphanPatience.
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

// checkMembership reads the members and removes the orphans that are due. The error says what it waits for.
func (w *worker) checkMembership(ctx context.Context, want desiredState) error {
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	m, members, err := w.members(ctx, clientEndpoints([]wire.Node{want.node}))
	if err != nil {
		return nil // without a quorum nothing can be checked; the instance's state says so
	}
	defer m.Close()
	found := orphans(want.store, members)
	if len(found) == 0 {
		// A manager that was away may still add an orphan before it learns that it was declared lost.
		w.membershipCheck = membershipCheck{clean: want.store.LastCommitted(), notBefore: time.Now().Add(jitter(2 * w.s.opts.OrphanPatience))}
		return nil
	}
	for _, orphan := range w.silentOrphans(ctx, found) {
		// Confirmed after the members were read: whoever was a member by then is in the topology by now.
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

// silentOrphans returns the orphans at whose addresses no process has listened for OrphanPatience.
func (w *worker) silentOrphans(ctx context.Context, found []engine.Member) []engine.Member {
	silentSince := map[uint64]time.Time{}
	var due []engine.Member
	for _, orphan := range found {
		if w.s.accepts(ctx, orphan.Address) {
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
