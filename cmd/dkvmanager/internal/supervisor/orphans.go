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

// StrangerPatience is for how long nobody may have listened at the address of a member that the topology
// does not have before another instance's manager takes it out.
const StrangerPatience = 30 * time.Second

// rollEvery is the pace of looking at a store's members while there are strangers among them; without, twice
// the patience is.
const rollEvery = 2 * time.Second

// roll is what a worker knows of the members of its store that the topology does not have.
type roll struct {
	clean string               // the configuration under which none was found at the last look
	next  time.Time            // no look before
	quiet map[uint64]time.Time // by member: since when nobody listens there
	found error                // of the last look
}

// expelStrangers takes members out of the running store that its topology does not have, where nobody is left
// to do so: leaving is the own manager's work, and that one may be gone for good. Dead members count for
// the quorum, and as long as there is one the store takes in no other.
func (w *worker) expelStrangers(ctx context.Context, g goal) error {
	changed := w.roll.clean != "" && w.roll.clean != g.store.LastCommitted()
	if !changed && time.Until(w.roll.next) > 0 {
		return w.roll.found
	}
	w.roll.clean, w.roll.next = "", time.Now().Add(jitter(rollEvery))
	w.roll.found = w.callRoll(ctx, g)
	return w.roll.found
}

// callRoll looks at the members, and takes out those that are due. The error is what is waited for.
func (w *worker) callRoll(ctx context.Context, g goal) error {
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	m, members, err := w.members(ctx, clientEndpoints([]wire.Node{g.node}))
	if err != nil {
		return nil // it can't decide now, which its state says
	}
	defer m.Close()
	found := strangers(g.store, members)
	if len(found) == 0 {
		// A manager that was away may still bring one, before it hears that it is out.
		w.roll = roll{clean: g.store.LastCommitted(), next: time.Now().Add(jitter(2 * w.s.opts.StrangerPatience))}
		return nil
	}
	for _, stranger := range w.silent(ctx, found) {
		// Asked after the look at the members: whoever was added by then is in the topology by now.
		err := w.s.opts.Agreed(ctx, w.store, g.store.LastCommitted())
		if err == nil {
			err = m.Remove(ctx, stranger.ID)
		}
		if err != nil {
			return fmt.Errorf("%s at %s is not in the topology, does not answer, and is still a member: %w", named(stranger), stranger.Address, err)
		}
		w.s.opts.Log.Info("took a member out whose server is gone", "store", w.store, "member", named(stranger), "address", stranger.Address)
	}
	return nil
}

// named is a member's name; it has none until it has started once.
func named(m engine.Member) string { return cmp.Or(m.Name, "a member that never started") }

// silent are those strangers at whose addresses nobody has listened for long enough.
func (w *worker) silent(ctx context.Context, found []engine.Member) []engine.Member {
	quiet := map[uint64]time.Time{}
	var due []engine.Member
	for _, stranger := range found {
		if w.s.accepts(ctx, stranger.Address) {
			continue
		}
		since, known := w.roll.quiet[stranger.ID]
		if !known {
			since = time.Now()
		}
		quiet[stranger.ID] = since
		if time.Since(since) >= w.s.opts.StrangerPatience {
			due = append(due, stranger)
		}
	}
	w.roll.quiet = quiet
	return due
}

// strangers are the members at addresses where the topology has no data instance.
func strangers(store *catalog.Store, members []engine.Member) []engine.Member {
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
