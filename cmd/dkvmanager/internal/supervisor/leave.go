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
	m, members, err := w.members(round, contacts)
	if err != nil {
		needed := len(w.s.accepting(ctx, contacts)) > 0
		return cmp.Or(w.keepWhileNeeded(ctx, want, needed), err)
	}
	defer m.Close()
	w.due = time.Now().Add(jitter(membershipRetry))
	me := memberAt(members, clusterAddress(want.node))
	if me == nil {
		return w.finishLeaving(want)
	}
	if missing := withoutVote(want.others(), members); !me.Learner && len(missing) > 0 {
		waiting := fmt.Errorf("leaves when %s has taken over the data", strings.Join(missing, ", "))
		return cmp.Or(w.keepWhileNeeded(ctx, want, w.proc != nil), waiting)
	}
	if err := m.Remove(round, me.ID); err != nil {
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
	w.s.opts.Log.Warn("could not remove the instance from its store, which still counts it as a member",
		"store", w.store, "instance", w.instance, "error", err)
	return w.finishLeaving(want)
}

// removeMember removes an instance without data from its store's members.
func (w *worker) removeMember(ctx context.Context, want desiredState, contacts []string) error {
	m, members, err := w.members(ctx, contacts)
	if err != nil {
		return err
	}
	defer m.Close()
	me := memberAt(members, clusterAddress(want.node))
	if me == nil {
		return nil
	}
	return m.Remove(ctx, me.ID)
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
