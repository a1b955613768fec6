package supervisor

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// dataDir returns the name of an instance's data folder. It contains the creating operation, so that no store finds the
// data of another one.
func dataDir(operation string) string { return "data-" + operation }

// plan returns the spec for the next start. An instance that has to join is first added to the running store: the error
// says what that waits for, and a nil spec means to try again shortly. An error that is a *wire.Result means that the
// instance can't start at all.
func (w *worker) plan(ctx context.Context, want desiredState) (*engine.Spec, error) {
	n := want.node
	spec := &engine.Spec{
		Store: want.store.Name, Instance: n.Name, Operation: want.store.Creation, Role: n.Role,
		Bind: w.s.opts.Bind, Host: n.Host, ClustronPort: n.ClustronPort, ClientPort: n.ClientPort,
		Start: engine.Resume, Endpoints: w.contacts(want), DataDir: dataDir(want.store.Creation),
	}
	switch {
	case n.Role == wire.Gateway:
		return spec, nil
	case w.joining(want):
		return w.join(ctx, want, spec)
	case want.local.Bootstrapped && w.hasData(want):
		return spec, nil
	case w.isDataLost(want):
		return nil, w.dataLost(want)
	case !want.local.Bootstrapped && want.founder():
		spec.Start = engine.Found
		for _, f := range want.store.Founders {
			spec.Peers = append(spec.Peers, engine.Peer{Name: f.Name, Address: net.JoinHostPort(f.Host, strconv.Itoa(f.ClustronPort))})
		}
		return spec, nil
	default:
		return w.join(ctx, want, spec)
	}
}

// contacts returns the client endpoints through which the instance finds its store: the other data instances of the
// topology, or the last known ones if it has none. (An instance that has just become the only data instance gets its
// data from one that is leaving.)
func (w *worker) contacts(want desiredState) []string {
	if others := want.others(); len(others) > 0 {
		w.known = clientEndpoints(others)
	}
	return w.known
}

// isDataLost reports whether the instance was part of its store, has no data any more, and no other instance has any.
func (w *worker) isDataLost(want desiredState) bool {
	return want.node.Role == wire.Data && want.local.Bootstrapped && len(want.others()) == 0 && !w.hasData(want)
}

// dataLost returns the refusal to start the only data instance of a store with an empty folder.
func (w *worker) dataLost(want desiredState) *wire.Result {
	r := refusal(http.StatusConflict, wire.CodeDataLost,
		"the data of %s is gone: there is no %s, and no other instance of the store holds data", want.node.Name, w.dataFolder(want))
	r.Hint = "bring the folder back from a backup, or remove the store and create it anew"
	return r
}

// save writes the spec to disk.
func (w *worker) save(spec *engine.Spec) error {
	if err := writeSpec(w.dir, spec); err != nil {
		return err
	}
	w.spec = spec
	return nil
}
