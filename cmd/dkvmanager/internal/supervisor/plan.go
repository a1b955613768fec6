package supervisor

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// dataDir is the name of an instance's data folder. It holds the creating operation, so that one store
// never finds another's data.
func dataDir(operation string) string { return "data-" + operation }

// plan decides how the instance comes up. For one that has to join, it is taken into the running store
// first; the error says what that waits for, and a nil spec that it has yet to wait a moment. A
// *wire.Result says that it can't come up at all.
func (w *worker) plan(ctx context.Context, g goal) (*engine.Spec, error) {
	n := g.node
	spec := &engine.Spec{
		Store: g.store.Name, Instance: n.Name, Operation: g.store.Creation, Role: n.Role,
		Bind: w.s.opts.Bind, Host: n.Host, ClustronPort: n.ClustronPort, ClientPort: n.ClientPort,
		Start: engine.Resume, Endpoints: w.contacts(g), DataDir: dataDir(g.store.Creation),
	}
	switch {
	case n.Role == wire.Gateway:
		return spec, nil
	case w.joining(g):
		return w.join(ctx, g, spec)
	case g.local.Bootstrapped && w.hasData(g):
		return spec, nil
	case w.isDataLost(g):
		return nil, w.dataLost(g)
	case !g.local.Bootstrapped && g.founder():
		spec.Start = engine.Found
		for _, f := range g.store.Founders {
			spec.Peers = append(spec.Peers, engine.Peer{Name: f.Name, Address: net.JoinHostPort(f.Host, strconv.Itoa(f.ClustronPort))})
		}
		return spec, nil
	default:
		return w.join(ctx, g, spec)
	}
}

// contacts are the client endpoints through which the instance finds its store: the other data
// instances of the topology, or while it has none, the last ones that it had. (An instance that has
// just been made the only data instance gets its data from one that is leaving.)
func (w *worker) contacts(g goal) []string {
	if others := g.others(); len(others) > 0 {
		w.known = clientEndpoints(others)
	}
	return w.known
}

// isDataLost says whether the instance was part of its store, has no data left, and no other has any.
func (w *worker) isDataLost(g goal) bool {
	return g.node.Role == wire.Data && g.local.Bootstrapped && len(g.others()) == 0 && !w.hasData(g)
}

// dataLost refuses to start the only data instance of a store with an empty folder.
func (w *worker) dataLost(g goal) *wire.Result {
	r := refusal(http.StatusConflict, wire.CodeDataLost,
		"the data of %s is gone: there is no %s, and no other instance of the store holds data", g.node.Name, w.dataFolder(g))
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
