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

// OrphanPatience is for how long nobody may have listened at the address of a member that the topology
// does not have before another instance's manager takes it out.
const OrphanPatience = 30 * time.Second

// membershipCheckEvery is the pace of looking at a store's members while there are strangers among them; without, twice
// the patience is.
const membershipCheckEvery = 2 * time.Second

// roll is what a worker knows of the members of its store that the topology does not have.
type membershipCheck struct {
	clean       string               // the configuration under which none was found at the last look
	notBefore   time.Time            // no look before
	silentSince map[uint64]time.Time // by member: since when nobody listens there
	found       error                // of the last look
}

// removeOrphans takes members out of the running store that its topology does not have, where nobody is left
// to do so: leaving is the own manager's work, and that one may be gone for good. Dead members count for
// the quorum, and as long as there is one the store takes in no other.
func (w *worker) removeOrphans(ctx context.Context, want desiredState) error {
	changed := w.membershipCheck.clean != "" && w.membershipCheck.clean != want.store.LastCommitted()
	if !changed && time.Until(w.membershipCheck.notBefore) > 0 {
		return w.membershipCheck.found
	}
	w.membershipCheck.clean, w.membershipCheck.notBefore = "", time.Now().Add(jitter(membershipCheckEvery))
	w.membershipCheck.found = w.checkMembership(ctx, want)
	return w.membershipCheck.found
}

// checkMembership looks at the members, and takes out those that are due. The error is what is waited for.
func (w *worker) checkMembership(ctx context.Context, want desiredState) error {
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	m, members, err := w.members(ctx, clientEndpoints([]wire.Node{want.node}))
	if err != nil {
		return nil // it can't decide now, which its state says
	}
	defer m.Close()
	found := orphans(want.store, members)
	if len(found) == 0 {
		// A manager that was away may still bring one, before it hears that it is out.
		w.membershipCheck = membershipCheck{clean: want.store.LastCommitted(), notBefore: time.Now().Add(jitter(2 * w.s.opts.OrphanPatience))}
		return nil
	}
	for _, orphan := range w.silentOrphans(ctx, found) {
		// Asked after the look at the members: whoever was added by then is in the topology by now.
		err := w.s.opts.Confirm(ctx, w.store, want.store.LastCommitted())
		if err == nil {
			err = m.Remove(ctx, orphan.ID)
		}
		if err != nil {
			return fmt.Errorf("%s at %s is not in the topology, does not answer, and is still a member: %w", memberName(orphan), orphan.Address, err)
		}
		w.s.opts.Log.Info("took a member out whose server is gone", "store", w.store, "member", memberName(orphan), "address", orphan.Address)
	}
	return nil
}

// memberName is a member's name; it has none until it has started once.
func memberName(m engine.Member) string { return cmp.Or(m.Name, "a member that never started") }

// silentOrphans are those strangers at whose addresses nobody has listened for long enough.
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

// orphans are the members at addresses where the topology has no data instance.
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
