package admin

import (
	"context"
	"slices"
	"sync"

	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

func (a *API) startInstance(req *request) (any, error) {
	req.understood(wire.ActionRequest{Action: wire.StartInstanceAction, Store: req.store, Instance: req.instance})
	release, err := a.lockOwn(req)
	if err != nil {
		return nil, err
	}
	defer release()
	if p := a.Catalog.Snapshot().Name(req.store).Prepared; p != nil && (p.Removes() || p.Founding) {
		return nil, twophase.Busy(p) // the vote relies on no instance running
	}
	changed, err := a.Supervisor.Start(req.ctx, req.store, req.instance)
	if err != nil {
		return nil, err
	}
	switch reason := a.joining(req.ctx, req.store, req.instance); {
	case changed && reason != "":
		return success("Joining: %s", reason), nil
	case changed:
		return success("Started"), nil
	case reason != "":
		return unchanged("Already joining: %s", reason), nil
	default:
		return unchanged("Already running"), nil
	}
}

// joining returns why an instance that is to run does not take part yet, or "".
func (a *API) joining(ctx context.Context, store, instance string) string {
	instances := a.Supervisor.Instances(ctx, store)
	i := slices.IndexFunc(instances, func(in wire.Instance) bool { return in.Name == instance })
	switch {
	case i < 0 || instances[i].Status != wire.Joining:
		return ""
	case instances[i].LastError != "":
		return instances[i].LastError
	default:
		return "waiting for the store to take it in"
	}
}

func (a *API) stopInstance(req *request) (any, error) {
	force, err := req.flag("force")
	if err != nil {
		return nil, err
	}
	req.understood(wire.ActionRequest{
		Action: wire.StopInstanceAction, Store: req.store, Instance: req.instance, Force: force,
	})
	release, err := a.lockOwn(req)
	if err != nil {
		return nil, err
	}
	defer release()
	changed, err := a.Supervisor.Stop(req.ctx, req.store, req.instance, force)
	if err != nil {
		return nil, err
	}
	if !changed {
		return unchanged("Already stopped"), nil
	}
	a.Log.Info("stopped", "store", req.store, "instance", req.instance, "force", force)
	return success("Stopped"), nil
}

// restartInstance restarts an instance of this server. With the parameter rolling it refuses unless every other
// instance of the store is ready, but for those that the parameter without lists, and the store has its majority
// without this one.
func (a *API) restartInstance(req *request) (any, error) {
	rolling, err := req.flag("rolling")
	if err != nil {
		return nil, err
	}
	without, err := req.nameList("without")
	if err != nil {
		return nil, err
	}
	req.understood(wire.ActionRequest{
		Action: wire.RestartInstanceAction, Store: req.store, Instance: req.instance, Rolling: rolling, Without: without,
	})
	release, err := a.lockOwn(req)
	if err != nil {
		return nil, err
	}
	defer release()
	may := func(context.Context) error { return nil }
	if rolling {
		leave, err := a.waiting.enter(req.client)
		if err != nil {
			return nil, err
		}
		defer leave()
		may = func(ctx context.Context) error { return a.mayRestart(ctx, req.store, req.instance, without) }
	}
	if err := a.Supervisor.Restart(req.ctx, req.store, req.instance, may); err != nil {
		return nil, err
	}
	a.Log.Info("restarted", "store", req.store, "instance", req.instance, "rolling", rolling)
	return success("Restarted"), nil
}

// mayRestart queries all managers of a store and returns a refusal unless the rolling restart of an instance keeps the
// rule that restartInstance describes. It must be called while the instance counts as not ready (Supervisor.Restart).
func (a *API) mayRestart(ctx context.Context, store, instance string, without []string) error {
	d := a.Catalog.Snapshot()
	s, err := find(d, store)
	if err != nil {
		return err
	}
	if err := checkNoPending(d, store); err != nil {
		return err
	}
	var views sync.WaitGroup
	slots := make(chan struct{}, maxStoreQueries)
	seen := make([]managerView, len(s.Managers))
	for i, m := range s.Managers {
		seen[i].url = m.URL
		if m.Identity == a.Catalog.Identity() {
			seen[i].store = a.storeView(ctx, d, s)
			continue
		}
		slots <- struct{}{}
		views.Go(func() {
			seen[i].store, seen[i].err = a.Peers.Store(ctx, m, store)
			<-slots
		})
	}
	views.Wait()
	return checkRestart(s, seen, instance, without)
}

// MayKill returns nil if the other instances of a store that are ready have its majority, and a refusal if an instance
// that hangs has to stay as it is. It queries all managers of the store.
func (a *API) MayKill(ctx context.Context, store, instance string) error {
	s, err := find(a.Catalog.Snapshot(), store)
	if err != nil {
		return err
	}
	var others []string
	for _, n := range s.Nodes {
		if n.Name != instance {
			others = append(others, n.Name)
		}
	}
	return a.mayRestart(ctx, store, instance, others)
}

// lockOwn locks the request's instance, which must belong to this server.
func (a *API) lockOwn(req *request) (release func(), err error) {
	if release, err = a.locks.take(req.store, req.instance); err != nil {
		return nil, err
	}
	if err = a.checkOwn(req); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// checkOwn returns a refusal unless the request's instance exists and belongs to this server.
func (a *API) checkOwn(req *request) error {
	s, err := find(a.Catalog.Snapshot(), req.store)
	if err != nil {
		return err
	}
	n := node(s.Nodes, req.instance)
	if n == nil {
		return noInstance(s, req.instance)
	}
	if !a.Owns(*n) {
		return wire.RefuseNotThisHost.With(n.Name, n.Host, a.Host)
	}
	return nil
}
