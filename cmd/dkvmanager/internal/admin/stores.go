package admin

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

func (a *API) createStore(req *request) (any, error) {
	var body wire.CreateStore
	if err := decode(req.body, &body); err != nil {
		return nil, err
	}
	req.understood(wire.ActionRequest{Action: wire.CreateAction, Store: body.Name, Create: &body})
	wanted, err := a.newStore(body)
	if err != nil {
		return nil, err
	}
	release, err := a.locks.take(wanted.Name, "")
	if err != nil {
		return nil, err
	}
	defer release()
	result := success("Created")
	err = a.change(func(d *catalog.Data) error {
		if err := checkNoPending(d, wanted.Name); err != nil {
			return err
		}
		if existing := d.Named(wanted.Name); existing != nil {
			result = unchanged("Already created")
			return checkSameStore(existing, body)
		}
		if err := a.participant.CheckPorts(d, wanted.Name, wanted.Nodes); err != nil {
			return err
		}
		for _, n := range a.own(wanted.Nodes) {
			wanted.Local[n.Name] = &catalog.Local{Desired: wire.DesiredStopped}
		}
		d.NeedRoom()
		wanted.Epoch = d.Name(wanted.Name).Epoch + 1
		d.Stores[wanted.Name] = wanted
		return nil
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// newStore returns the store that a request describes.
func (a *API) newStore(body wire.CreateStore) (*catalog.Store, error) {
	if err := wire.CheckName(body.Name); err != nil {
		return nil, wire.Refuse(wire.CodeBadName, "name: %w", err)
	}
	if err := wire.CheckTopology(body.Nodes); err != nil {
		return nil, wire.Refuse(wire.CodeBadTopology, "%w", err)
	}
	if err := checkManagers(body.Operation, body.Managers, body.Coordinator); err != nil {
		return nil, err
	}
	nodes := body.Nodes
	if withoutRoles(nodes) {
		nodes = wire.AssignRoles(nodes)
	}
	if err := checkRoles(nodes); err != nil {
		return nil, err
	}
	s := &catalog.Store{
		Name: body.Name, Engine: a.Engine, Creation: body.Operation,
		Revision: 1, Digest: wire.Digest(body.Name, nodes),
		Coordinator: chooseCoordinator(body.Coordinator, body.Managers), Managers: body.Managers,
		Founders: wire.Founders(nodes), Nodes: nodes,
		// A manager that requires TLS runs no store whose cluster ports are plain.
		ClusterTLS: body.ClusterTLS || a.Member != nil && !a.Member.TakesPlain(),
		Local:      map[string]*catalog.Local{},
	}
	if s.Creation == "" {
		s.Creation = "d-" + s.Digest[:32]
	}
	return s, nil
}

// checkSameStore refuses a request for a name that another store has, and says what differs. A request without roles
// accepts any roles.
func checkSameStore(existing *catalog.Store, body wire.CreateStore) error {
	if existing.Name != body.Name {
		return wire.RefuseNameTaken.With(existing.Name)
	}
	nodes, wanted := existing.Nodes, body.Nodes
	if withoutRoles(wanted) {
		nodes = stripRoles(nodes)
	}
	if wire.Digest(body.Name, nodes) == wire.Digest(body.Name, wanted) {
		return nil
	}
	return wire.RefuseExisting(existing.Name, nodes, wanted)
}

// derivedID matches an operation id that a manager derived from the digest of a store, because the request that created
// the store had none.
var derivedID = regexp.MustCompile(`^d-[0-9a-f]{32}$`)

// checkManagers checks the operation, the managers and the coordinator of a request.
func checkManagers(operation string, managers []wire.Manager, coordinator string) error {
	if operation != "" && !derivedID.MatchString(operation) {
		if !isUUID(operation) {
			return wire.Refuse(wire.CodeBadRequest, "operation: got %s, want a UUID in lower case", quoted(operation))
		}
	}
	if err := wire.CheckManagers(managers); err != nil {
		return wire.Refuse(wire.CodeBadRequest, "%w", err)
	}
	among := func(m wire.Manager) bool { return m.Identity == coordinator }
	if coordinator != "" && len(managers) > 0 && !slices.ContainsFunc(managers, among) {
		return wire.Refuse(wire.CodeBadRequest, "home: %s is none of the managers", quoted(coordinator))
	}
	return nil
}

func isUUID(text string) bool {
	id, err := uuid.Parse(text)
	return err == nil && id.String() == text
}

// chooseCoordinator returns the store's coordinator: the one given, or the manager with the smallest identity.
func chooseCoordinator(given string, managers []wire.Manager) string {
	if given != "" || len(managers) == 0 {
		return given
	}
	return slices.MinFunc(managers,
		func(a, b wire.Manager) int { return strings.Compare(a.Identity, b.Identity) }).Identity
}

// own returns the nodes that belong to this manager.
func (a *API) own(nodes []wire.Node) []wire.Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n wire.Node) bool { return !a.Owns(n) })
}

// removeStore first removes the store from the catalog. What a crash leaves behind is recorded as a deletion, and the
// supervisor completes it.
func (a *API) removeStore(req *request) (any, error) {
	force, err := req.flag("force")
	if err != nil {
		return nil, err
	}
	req.understood(wire.ActionRequest{Action: wire.RemoveStoreAction, Store: req.store, Force: force})
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

// running returns a text that names the instances of this server that run or are to run, or "". Leaving instances don't
// count: they can't be stopped and are removed with the store.
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
