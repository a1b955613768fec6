package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// giveUp is how long an instance whose data was given up stays in the catalog while its store doesn't
// take it out.
const giveUp = time.Minute

// leave takes an instance that the topology has dropped out of its running store, then stops it, then
// deletes its folder, then forgets it: each step is found done, or done again, after a crash.
func (w *worker) leave(ctx context.Context, g goal) error {
	if !w.mayBeMember(g) {
		return w.farewell(g)
	}
	contacts := clientEndpoints(g.others())
	round, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	if g.local.LoseData {
		return w.loseData(round, g, contacts)
	}
	m, members, err := w.members(round, contacts)
	if err != nil {
		needed := len(w.s.accepting(ctx, contacts)) > 0
		return cmp.Or(w.hold(ctx, g, needed), err)
	}
	defer m.Close()
	w.due = time.Now().Add(jitter(changeEvery))
	me := memberAt(members, clusterAddress(g.node))
	if me == nil {
		return w.farewell(g)
	}
	if missing := withoutVote(g.others(), members); !me.Learner && len(missing) > 0 {
		waiting := fmt.Errorf("leaves once %s has taken over the data", strings.Join(missing, ", "))
		return cmp.Or(w.hold(ctx, g, w.proc != nil), waiting)
	}
	if err := m.Remove(round, me.ID); err != nil {
		return fmt.Errorf("waiting to be taken out of the store: %w", err)
	}
	w.halt(stopGrace)
	w.poll.Reset()
	return nil
}

// mayBeMember says whether the running store may know the instance.
func (w *worker) mayBeMember(g goal) bool {
	return g.node.Role == wire.Data && (g.local.Bootstrapped || g.founder() || w.joining(g))
}

// hold keeps a leaving instance running while its store can't let it go. One that is meant to be stopped
// runs as well while it is needed: others run and can't decide without it.
func (w *worker) hold(ctx context.Context, g goal, needed bool) error {
	wanted := needed || g.local.Desired == wire.DesiredRunning
	switch {
	case w.proc != nil && wanted && w.halting.IsZero():
		return nil
	case w.proc != nil:
		w.halt(stopGrace)
		return nil
	case !wanted || !w.hasData(g) || w.joining(g):
		return nil
	case time.Until(w.next) > 0:
		w.due = w.next
		return nil
	default:
		return w.start(ctx, g)
	}
}

// loseData ends an instance and its data at once. That the store takes it out is tried for a while.
func (w *worker) loseData(ctx context.Context, g goal, contacts []string) error {
	if !w.halt(0) {
		return nil
	}
	// The rest of the folder stays until the end: it says whether the store may know the instance.
	if err := os.RemoveAll(w.dataFolder(g)); err != nil {
		return err
	}
	if w.lost.IsZero() {
		w.lost = time.Now()
	}
	err := w.expel(ctx, g, contacts)
	if err == nil {
		return w.farewell(g)
	}
	if time.Since(w.lost) < giveUp {
		return err
	}
	w.s.opts.Log.Warn("gave up taking the instance out of its store, which still counts it as a member",
		"store", w.store, "instance", w.instance, "error", err)
	return w.farewell(g)
}

// expel takes an instance that is no more out of its store's members.
func (w *worker) expel(ctx context.Context, g goal, contacts []string) error {
	m, members, err := w.members(ctx, contacts)
	if err != nil {
		return err
	}
	defer m.Close()
	me := memberAt(members, clusterAddress(g.node))
	if me == nil {
		return nil
	}
	return m.Remove(ctx, me.ID)
}

// farewell stops what runs, deletes the folder, then drops the instance from the catalog.
func (w *worker) farewell(g goal) error {
	if !w.halt(stopGrace) {
		return nil
	}
	if err := deleteData(w.dir, g.store.Creation); err != nil {
		return err
	}
	w.spec = nil
	return w.s.update(func(d *catalog.Data) error {
		store := d.Stores[w.store]
		if store == nil || store.Creation != g.store.Creation {
			return nil
		}
		local := store.Local[w.instance]
		if local == nil || local.Leaving == nil {
			return nil
		}
		delete(store.Local, w.instance)
		// A new instance of the same name begins as the catalog's others do: without a past.
		if slices.ContainsFunc(store.Nodes, func(n wire.Node) bool { return n.Name == w.instance }) {
			store.Local[w.instance] = &catalog.Local{Desired: local.Desired}
		}
		return nil
	})
}
