package supervisor

import (
	"context"
	"errors"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// killWait bounds the wait for the end of processes after SIGKILL.
const killWait = 2 * time.Second

// Start records durably that an instance is to run. It returns when the process is up, or at once for an instance that
// its store has to add first. changed is false if it was running or joining before.
//
// The error is a *wire.Result: port_taken and data_lost (nothing has changed then, unless the instance was to run
// before), start_failed (the supervisor goes on trying), and the refusals of find. If ctx ends first, the instance goes
// on starting.
func (s *Supervisor) Start(ctx context.Context, store, instance string) (changed bool, err error) {
	w, served, before, err := s.orderStart(ctx, store, instance)
	if w == nil {
		return false, err
	}
	now, err := w.await(ctx, func(now observedStatus) bool {
		return now.served >= served && (now.status == wire.Running || now.status == wire.Joining ||
			now.status == wire.Stopped || now.failures > before || now.pid == 0 && now.problem != nil) || !s.shouldRun(w.place)
	})
	var refused *wire.Result
	switch {
	case err != nil:
		return true, wire.RefuseStartUnfinished.With(instance)
	case !s.shouldRun(w.place):
		return true, wire.RefuseStartStopped.With(instance)
	case now.status == wire.Running, now.status == wire.Joining:
		return true, nil
	case errors.As(now.problem, &refused):
		return true, refused
	default:
		return true, wire.RefuseStartFails.With(instance, now.text)
	}
}

// orderStart checks and records a start. The worker is nil when there is nothing to wait for.
func (s *Supervisor) orderStart(ctx context.Context, store, instance string) (
	w *worker, served, failures int, err error) {
	s.starting.Lock()
	defer s.starting.Unlock()
	w, want, err := s.find(store, instance)
	if err != nil {
		return nil, 0, 0, err
	}
	if want.kind == desireLeave {
		return nil, 0, 0, wire.RefuseInstanceLeaving.With(instance, store)
	}
	now := w.lastObserved()
	if want.kind == desireRun && (now.status == wire.Running || now.status == wire.Joining) {
		return nil, 0, 0, nil
	}
	if want.kind == desireStop {
		if w.isDataLost(want) {
			return nil, 0, 0, w.dataLost(want)
		}
		if _, err := w.await(ctx, func(now observedStatus) bool { return now.pid == 0 }); err != nil {
			return nil, 0, 0, wire.RefuseStillStopping.With(instance)
		}
		if err := s.CheckPorts(store, []wire.Node{want.node}); err != nil {
			return nil, 0, 0, err
		}
	}
	if err := s.recordDesired(w.place, want, wire.DesiredRunning); err != nil {
		return nil, 0, 0, err
	}
	return w, w.order(true, false), now.failures, nil
}

// Stop records durably that an instance is to be stopped. It returns when the process has ended: gracefully within 10
// s, with force at once. changed is false if it was stopped before. An instance that is leaving stops by itself; Stop
// refuses it. The error is a *wire.Result.
func (s *Supervisor) Stop(ctx context.Context, store, instance string, force bool) (changed bool, err error) {
	w, want, err := s.find(store, instance)
	if err != nil {
		return false, err
	}
	if want.kind == desireLeave {
		return false, wire.RefuseInstanceLeaving.With(instance, store)
	}
	before := w.lastObserved()
	changed = want.local.Desired == wire.DesiredRunning || before.pid != 0
	if err := s.recordDesired(w.place, want, wire.DesiredStopped); err != nil {
		return false, err
	}
	served := w.order(true, force)
	now, err := w.await(ctx, func(now observedStatus) bool { return now.served >= served && now.pid == 0 })
	if err != nil {
		return changed, wire.RefuseStopUnfinished.With(instance, now.pid)
	}
	return changed, nil
}

// Restart stops the process of an instance that is to run, gracefully within 10 s, and starts it again. It returns when
// the next process has been started, which can be long before the instance is ready. The desired state stays Running
// throughout, so the restart is completed also when the caller, or this manager, ends in the middle of it.
//
// While may runs, the instance counts as not ready for everyone who asks. A manager that restarts another instance of
// the store therefore sees this one as down, or is seen as down by may: of two restarts that each require the other
// instance to be ready, at most one goes on. (This is the flag principle of mutual exclusion: raise your own flag, then
// look at the others'.) An error of may is returned, and nothing was stopped.
//
// Other errors are *wire.Result: store_not_ready if the instance is stopped, start_failed if the next process doesn't
// start (the supervisor goes on trying), stop_failed if ctx ends before the process has ended, and the refusals of
// find. At most one call for each instance may run at a time.
func (s *Supervisor) Restart(ctx context.Context, store, instance string, may func(context.Context) error) error {
	w, want, err := s.find(store, instance)
	switch {
	case err != nil:
		return err
	case want.kind == desireLeave:
		return wire.RefuseInstanceLeaving.With(instance, store)
	case want.kind != desireRun || s.closing.Load():
		return wire.RefuseRestartStopped.With(instance)
	}
	w.beginRestart()
	if err := may(ctx); err != nil {
		w.cancelRestart()
		return err
	}
	before := w.lastObserved()
	served := w.orderRestart()
	now, err := w.await(ctx, func(now observedStatus) bool {
		return now.served >= served && (now.pid != 0 && now.pid != before.pid || now.failures > before.failures) ||
			!s.shouldRun(w.place)
	})
	switch {
	case err != nil:
		return wire.RefuseRestartUnfinished.With(instance, before.pid)
	case !s.shouldRun(w.place):
		return wire.RefuseStartStopped.With(instance)
	case now.failures > before.failures:
		return wire.RefuseStartFails.With(instance, now.text)
	}
	return nil
}

// recordDesired records the desired state of an instance durably, unless it is recorded already.
func (s *Supervisor) recordDesired(p place, want desiredState, desired wire.Desired) error {
	if want.local.Desired == desired {
		return nil
	}
	return s.update(func(d *catalog.Data) error {
		store := d.Stores[p.store]
		if store == nil || store.Creation != want.store.Creation {
			return wire.RefuseStoreRemoved.With(p.store)
		}
		if store.Local[p.instance] == nil {
			store.Local[p.instance] = &catalog.Local{}
		}
		store.Local[p.instance].Desired = desired
		return nil
	})
}

// shouldRun reports whether the instance is to run.
func (s *Supervisor) shouldRun(p place) bool {
	return s.desiredOf(p).kind == desireRun && !s.closing.Load()
}

// Remove ends all processes of a store and deletes their folders; the store must have been removed from the catalog
// before. The supervisor completes an interrupted removal by itself, also after a restart.
func (s *Supervisor) Remove(ctx context.Context, store string) error {
	s.refresh()
	for _, w := range s.workersOf(store) {
		if s.desiredOf(w.place).kind != desireGone {
			continue
		}
		w.order(false, true)
		select {
		case <-w.finished:
		case <-ctx.Done():
			return wire.RefuseDeletionUnfinished.With(w.instance)
		}
	}
	return nil
}

// StopAll stops every process of this server, gracefully until ctx is done and then by SIGKILL, and starts none
// afterwards. The catalog is not changed. Run must be running.
func (s *Supervisor) StopAll(ctx context.Context) error {
	s.closing.Store(true)
	workers := s.workersOf("")
	served := make([]int, len(workers))
	for i, w := range workers {
		served[i] = w.order(false, false)
	}
	for i, w := range workers {
		ended := func(now observedStatus) bool { return now.served >= served[i] && now.pid == 0 }
		if _, err := w.await(ctx, ended); err == nil {
			continue
		}
		served[i] = w.order(false, true)
		killed, cancel := context.WithTimeout(context.WithoutCancel(ctx), killWait)
		now, err := w.await(killed, ended)
		cancel()
		if err != nil {
			return wire.RefuseKillFailed.With(w.instance, now.pid)
		}
	}
	return nil
}

// workersOf returns the workers of a store's folders, or all workers if store is empty.
func (s *Supervisor) workersOf(store string) []*worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*worker
	for p, w := range s.workers {
		if store == "" || p.store == store {
			found = append(found, w)
		}
	}
	return found
}

// find returns the worker and the desired state of an instance of this server. The error is a *wire.Result.
func (s *Supervisor) find(store, instance string) (*worker, desiredState, error) {
	p := place{store, instance}
	s.mu.Lock()
	want, w := s.desiredOf(p), s.workers[p]
	s.mu.Unlock()
	if want.store == nil {
		return nil, want, wire.RefuseStoreNotFound.With(store)
	}
	if want.kind == desireGone {
		return nil, want, wire.RefuseInstanceNotFound.With(store, instance)
	}
	if want.kind != desireLeave && !s.opts.Owns(want.node) {
		return nil, want, wire.RefuseInstanceElsewhere.With(instance, want.node.Host)
	}
	return w, want, nil
}
