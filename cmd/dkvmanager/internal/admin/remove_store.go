package admin

import (
	"context"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

// removeStore first removes the store from the catalog. What a crash leaves behind is recorded as a deletion, and the
// supervisor completes it.
func (a *API) removeStore(req *request) (any, error) {
	force, err := req.flag("force")
	if err != nil {
		return nil, err
	}
	release, err := a.locks.take(req.store, "")
	if err != nil {
		return nil, err
	}
	defer release()
	s, err := find(a.Catalog.Snapshot(), req.store)
	if err != nil {
		return nil, err
	}
	if running := a.running(req.ctx, s); running != "" && !force {
		return nil, wire.RefuseStoreRunning.With(running, s.Name)
	}
	err = a.change(func(d *catalog.Data) error {
		if err := checkNoPending(d, s.Name); err != nil {
			return err
		}
		twophase.RemoveStore(d, s.Name, "")
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := a.Supervisor.Remove(context.WithoutCancel(req.ctx), s.Name); err != nil {
		return nil, err
	}
	return success("Removed"), nil
}

// running returns a text that names the own instances that run or are to run, or "". Leaving instances don't count:
// they can't be stopped and are removed with the store.
func (a *API) running(ctx context.Context, s *catalog.Store) string {
	var names []string
	for _, in := range a.Supervisor.Instances(ctx, s.Name) {
		inStore := s.Local[in.Name] != nil && s.Local[in.Name].Leaving == nil
		if inStore && (in.PID != 0 || in.Desired == wire.DesiredRunning) {
			names = append(names, in.Name)
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0] + " is running"
	default:
		return strings.Join(names, ", ") + " are running"
	}
}
