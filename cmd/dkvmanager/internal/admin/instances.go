package admin

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

func (a *API) addInstance(req *request) (any, error) {
	var body wire.ChangeInstances
	if err := decode(req.body, &body); err != nil {
		return nil, err
	}
	req.understood(wire.ActionRequest{Action: wire.AddInstanceAction, Store: req.store, Change: &body})
	if err := checkChange(body); err != nil {
		return nil, err
	}
	release, err := a.locks.take(req.store, "")
	if err != nil {
		return nil, err
	}
	defer release()
	var result *wire.Result
	err = a.change(func(d *catalog.Data) error {
		if err := checkNoPending(d, req.store); err != nil {
			return err
		}
		if err := twophase.CheckEpoch(d, req.store, body.Epoch); err != nil {
			return err
		}
		s := d.Stores[req.store]
		d.NeedRoom()
		var err error
		if s == nil {
			if s, err = a.learnStore(d, req.store, body); err == nil {
				s.Epoch = max(s.Epoch, d.Name(s.Name).Epoch+1)
				d.Stores[s.Name] = s
				result = success("Added %s", nodeNames(a.own(s.Nodes)))
			}
			return err
		}
		result, err = a.addNodes(d, s, body)
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

func checkChange(body wire.ChangeInstances) error {
	if body.BaseRevision == 0 {
		return wire.Refuse(wire.CodeBadRequest, "baseRevision: is missing: give the store's revision that the change builds on")
	}
	if body.BaseRevision >= wire.MaxRevision {
		return wire.Refuse(wire.CodeBadRequest, "baseRevision: %d is more than a store can have", body.BaseRevision)
	}
	if err := wire.CheckTopology(body.Nodes); err != nil {
		return wire.Refuse(wire.CodeBadTopology, "%w", err)
	}
	if body.Desired != "" && body.Desired != wire.DesiredRunning && body.Desired != wire.DesiredStopped {
		return wire.Refuse(wire.CodeBadRequest, "desired: got %s, want %s or %s", quoted(string(body.Desired)), wire.DesiredRunning, wire.DesiredStopped)
	}
	for i, f := range body.Founders {
		if err := wire.CheckName(f.Name); err != nil {
			return wire.Refuse(wire.CodeBadTopology, "founders[%d].name: %w", i, err)
		}
		if err := wire.CheckHost(f.Host); err != nil {
			return wire.Refuse(wire.CodeBadTopology, "founders[%d].host: %w", i, err)
		}
		if f.ClustronPort < 1 || f.ClustronPort > 65535 {
			return wire.Refuse(wire.CodeBadTopology, "founders[%d].clustronPort: %d is not a port: 1 to 65535", i, f.ClustronPort)
		}
	}
	return checkManagers(body.Operation, body.Managers, body.Coordinator)
}

// learnStore returns a store that this manager did not know, as the caller of another manager describes it.
func (a *API) learnStore(d *catalog.Data, name string, body wire.ChangeInstances) (*catalog.Store, error) {
	if existing := d.Named(name); existing != nil {
		return nil, wire.RefuseNameTaken.With(existing.Name)
	}
	if body.Operation == "" || len(body.Managers) == 0 || len(body.Founders) == 0 && !body.Founding {
		return nil, wire.Refuse(wire.CodeStoreNotFound, "there is no store %s here; to make it known, give its operation, managers and founders too", name)
	}
	nodes, founders := body.Nodes, body.Founders
	if body.Founding {
		nodes = wire.AssignRoles(stripRoles(nodes))
		founders = wire.Founders(nodes)
	} else if !hasData(nodes) {
		return nil, wire.Refuse(wire.CodeBadTopology, "nodes: no node has the role data: give the roles that the store's other managers have")
	} else if checkRoles(nodes) != nil {
		nodes = wire.AssignRoles(nodes)
	}
	s := &catalog.Store{
		Name: name, Engine: a.Engine, Creation: body.Operation,
		Revision: body.BaseRevision + 1, Epoch: max(body.Epoch, 1), Digest: wire.Digest(name, nodes),
		Coordinator: chooseCoordinator(body.Coordinator, body.Managers), Managers: body.Managers,
		Founders: founders, Nodes: nodes, ClusterTLS: body.ClusterTLS,
		Local: map[string]*catalog.Local{},
	}
	return s, a.claimNodes(d, s, nodes, body)
}

// addNodes adds the requested instances to s, which is a copy.
func (a *API) addNodes(d *catalog.Data, s *catalog.Store, body wire.ChangeInstances) (*wire.Result, error) {
	if body.Operation != "" && body.Operation != s.Creation {
		return nil, wire.RefuseOtherStore.With(s.Name, s.Creation)
	}
	nodes, err := mergedTopology(s, body)
	if s.Revision == body.BaseRevision+1 && err == nil && wire.Digest(s.Name, nodes) == s.Digest {
		return unchanged("Already added"), nil
	}
	if s.Revision != body.BaseRevision {
		return nil, staleRevision(s, body.BaseRevision)
	}
	if err != nil {
		return nil, err
	}
	added := nodesNotIn(nodes, s.Nodes)
	if len(added) == 0 {
		return nil, wire.Refuse(wire.CodeBadTopology, "nodes: has no new instance: %s has all of them already", s.Name)
	}
	if body.Founding {
		if started := twophase.CheckNeverStarted(s); started != nil {
			return nil, started
		}
		s.Founders = wire.Founders(nodes)
	}
	if err := a.claimNodes(d, s, added, body); err != nil {
		return nil, err
	}
	s.Nodes = nodes
	s.Revision++
	s.LastOperation = ""
	s.Digest = wire.Digest(s.Name, nodes)
	s.Epoch = max(s.Epoch, body.Epoch)
	if len(body.Managers) > 0 {
		s.Managers = body.Managers
	}
	if s.Coordinator == "" {
		s.Coordinator = chooseCoordinator(body.Coordinator, body.Managers)
	}
	return success("Added %s", nodeNames(added)), nil
}

// mergedTopology returns the requested topology. It must contain all present instances unchanged, except that a gateway
// may become data; new nodes get roles.
func mergedTopology(s *catalog.Store, body wire.ChangeInstances) ([]wire.Node, error) {
	nodes := append([]wire.Node(nil), body.Nodes...)
	for i := range nodes {
		n := &nodes[i]
		old := node(s.Nodes, n.Name)
		if old == nil {
			continue
		}
		field := func(name string, got, want any) error {
			return wire.Refuse(wire.CodeBadTopology, "nodes[%d].%s: %s has %v, not %v: an instance keeps its place", i, name, n.Name, want, got)
		}
		switch {
		case !strings.EqualFold(n.Host, old.Host):
			return nil, field("host", n.Host, old.Host)
		case n.ClustronPort != old.ClustronPort:
			return nil, field("clustronPort", n.ClustronPort, old.ClustronPort)
		case n.ClientPort != old.ClientPort:
			return nil, field("clientPort", n.ClientPort, old.ClientPort)
		case n.Role == wire.Gateway && old.Role == wire.Data && !body.Founding:
			return nil, wire.Refuse(wire.CodeBadTopology, "nodes[%d].role: %s holds data: it can't become a gateway, only be removed", i, n.Name)
		}
		n.Host, n.Manager = old.Host, old.Manager
		if n.Role == "" {
			n.Role = old.Role
		}
	}
	for _, old := range s.Nodes {
		if node(nodes, old.Name) == nil {
			return nil, wire.Refuse(wire.CodeBadTopology, "nodes: lacks %s, which %s has: instances are removed one by one", old.Name, s.Name)
		}
	}
	if body.Founding {
		return wire.AssignRoles(stripRoles(nodes)), nil
	}
	if checkRoles(nodes) != nil {
		nodes = wire.AssignRoles(nodes)
	}
	return nodes, nil
}

// claimNodes records those new nodes that belong to this server, after it has checked their ports.
func (a *API) claimNodes(d *catalog.Data, s *catalog.Store, added []wire.Node, body wire.ChangeInstances) error {
	own, desired := a.own(added), body.Desired
	if desired == "" {
		desired = wire.DesiredStopped
		for _, l := range s.Local {
			if l.Desired == wire.DesiredRunning && l.Leaving == nil {
				desired = wire.DesiredRunning
			}
		}
	}
	for _, n := range own {
		if s.Local[n.Name] != nil {
			return wire.RefuseStillLeaving.With(n.Name, s.Name)
		}
	}
	if err := a.participant.CheckPorts(d, s.Name, own); err != nil {
		return err
	}
	for _, n := range own {
		// A founder that returns, after its removal or with an empty disk, joins the existing store like any other
		// instance. It must not bootstrap the store again.
		again := !body.Founding && isFounder(s.Founders, n)
		s.Local[n.Name] = &catalog.Local{Desired: desired, Bootstrapped: again}
	}
	return nil
}

func isFounder(founders []wire.Founder, n wire.Node) bool {
	return slices.Contains(founders, wire.Founder{Name: n.Name, Host: n.Host, ClustronPort: n.ClustronPort})
}

func staleRevision(s *catalog.Store, base uint64) error {
	return wire.Refuse(wire.CodeStaleRevision, "%s is at revision %d, the change builds on %d: read the store again, then repeat", s.Name, s.Revision, base)
}

func nodesNotIn(nodes, others []wire.Node) []wire.Node {
	var out []wire.Node
	for _, n := range nodes {
		if node(others, n.Name) == nil {
			out = append(out, n)
		}
	}
	return out
}

// maxNamed is the number of instances that a message names.
const maxNamed = 3

func nodeNames(nodes []wire.Node) string {
	if len(nodes) == 0 {
		return "none of this server's"
	}
	if len(nodes) > maxNamed {
		return fmt.Sprintf("%d instances, %s to %s", len(nodes), nodes[0].Name, nodes[len(nodes)-1].Name)
	}
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	return strings.Join(names, ", ")
}

func (a *API) removeInstance(req *request) (any, error) {
	change := removeRequest{instance: req.instance}
	var err error
	if change.base, err = req.number("baseRevision", 0, 1, math.MaxUint64); err != nil {
		return nil, err
	}
	if change.loseData, err = req.flag("loseData"); err != nil {
		return nil, err
	}
	if change.founding, err = req.flag("founding"); err != nil {
		return nil, err
	}
	req.understood(wire.ActionRequest{
		Action: wire.RemoveInstanceAction, Store: req.store, Instance: req.instance,
		BaseRevision: change.base, LoseData: change.loseData, Founding: change.founding,
	})
	release, err := a.locks.take(req.store, "")
	if err != nil {
		return nil, err
	}
	defer release()
	var result *wire.Result
	err = a.change(func(d *catalog.Data) error {
		if err := checkNoPending(d, req.store); err != nil {
			return err
		}
		s, err := find(d, req.store)
		if err == nil {
			result, err = a.dropInstance(s, change)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// removeRequest holds the parameters of a request; base is 0 if any revision is accepted.
type removeRequest struct {
	instance           string
	base               uint64
	loseData, founding bool
}

// dropInstance removes the instance from s, which is a copy.
func (a *API) dropInstance(s *catalog.Store, r removeRequest) (*wire.Result, error) {
	gone := node(s.Nodes, r.instance)
	if gone == nil && r.base != 0 && s.Revision == r.base+1 {
		return unchanged("Already removed"), nil
	}
	if r.base != 0 && r.base != s.Revision {
		return nil, staleRevision(s, r.base)
	}
	if gone == nil {
		return nil, noInstance(s, r.instance)
	}
	if len(s.Nodes) == 1 {
		return nil, wire.Refuse(wire.CodeLastInstance, "%s is the last instance of %s: it goes with the store (remove_store)", gone.Name, s.Name)
	}
	started := twophase.CheckNeverStarted(s)
	if r.founding && started != nil {
		return nil, started
	}
	// If all instances are its own, the manager knows that none has run. Keeping the founders would then make the first
	// start wait for one that never comes.
	founding := r.founding || started == nil && len(a.own(s.Nodes)) == len(s.Nodes)
	leaving := *gone
	rest := slices.DeleteFunc(slices.Clone(s.Nodes), func(n wire.Node) bool { return n.Name == leaving.Name })
	if founding {
		rest = wire.AssignRoles(stripRoles(rest))
		s.Founders = wire.Founders(rest)
		delete(s.Local, leaving.Name)
	} else {
		rest = wire.AssignRoles(rest)
		if local := s.Local[leaving.Name]; local != nil {
			local.Leaving, local.LoseData = &leaving, r.loseData
		}
	}
	s.Nodes = rest
	s.Revision++
	s.LastOperation = ""
	s.Digest = wire.Digest(s.Name, rest)
	return success("Removed"), nil
}

func noInstance(s *catalog.Store, name string) error {
	return wire.RefuseInstanceNotFound.With(s.Name, name)
}
