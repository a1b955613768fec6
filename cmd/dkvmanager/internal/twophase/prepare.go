package twophase

import (
	"errors"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/wire"
)

// Preflight checks an operation without voting: it reports all problems at once and writes nothing. The answer holds
// the highest epoch that this manager has seen, from which the driver chooses a higher one, and the names of the nodes
// that this manager owns.
//
// The result is advisory. It promises nothing, since another operation may be prepared right after it; Prepare runs
// the same checks again, in the update that records the vote.
func (m *Participant) Preflight(c wire.Operation) (wire.OperationStatus, error) {
	if err := validate(&c); err != nil {
		return wire.OperationStatus{}, err
	}
	d := m.Catalog.Snapshot()
	m.expireLease(d, c.Store) // in the copy only: an expired operation must not be reported as an obstacle
	if problems := m.check(d, &c); len(problems) > 0 {
		return wire.OperationStatus{}, mergeRefusals(problems)
	}
	return wire.OperationStatus{
		ID: c.ID, State: wire.OperationUnknown, Manager: m.self(),
		Action: c.Action, Store: c.Store, Epoch: d.SeenEpoch(c.Store), Digest: c.Digest(), Claims: m.claims(&c),
	}, nil
}

// Prepare votes for an operation. When it returns without an error, the vote is durable.
//
// It is idempotent: the same operation gets the same answer, and a higher epoch raises the epoch of the vote. If the
// operation was already committed here, the answer is its decision. A crash before the write leaves no vote, and the
// driver gets no answer, so it can't count one. A crash after the write leaves the prepared record: the vote holds
// after the restart, and the driver's repeated prepare finds it.
func (m *Participant) Prepare(c wire.Operation) (wire.OperationStatus, error) {
	if err := validate(&c); err != nil {
		return wire.OperationStatus{}, err
	}
	_ = failpoint.At("prepare.received")
	var answer wire.OperationStatus
	err := m.Catalog.Update(func(d *catalog.Data) error {
		failpoint.Enter("prepare")
		// An operation whose lease has expired is aborted in the same durable write that records the new vote, so
		// there is no moment with two prepared operations of a name (I6).
		m.expireLease(d, c.Store)
		p, err := m.vote(d, &c)
		if err == nil && p != nil {
			// I1: the epoch never decreases, so that older messages of the name stay refused.
			d.SetName(c.Store, func(n *catalog.Name) { n.Prepared, n.Epoch = p, max(n.Epoch, p.Epoch) })
			answer = m.preparedStatus(p)
		} else if err == nil {
			answer = m.decisionStatus(d.Decision(c.ID))
		}
		return err
	})
	if err == nil && answer.State == wire.OperationPrepared {
		// The lease begins after the vote is durable. If it is read before this line, it begins then.
		m.touch(c.ID)
	}
	_ = failpoint.At("prepare.durable")
	return answer, err
}

// vote returns the prepared record that a prepare creates, finds or raises. It returns nil without an error if the
// operation is already committed here.
//
// The order of its checks matters:
//
//  1. A decision comes first, because it is final whatever else has changed since (I1).
//  2. An existing vote is confirmed without the checks of a new one: it passed them, and what they read is locked since
//     then (I4). Repeated now they could refuse what the vote has promised. Only checkFences is repeated, since a
//     replacement of the coordinator may have begun after the vote (I8).
//  3. The epoch of a new vote is compared last. A driver that is told of a higher epoch prepares again, which would be
//     in vain while another problem stands.
func (m *Participant) vote(d *catalog.Data, c *wire.Operation) (*catalog.PreparedRecord, error) {
	digest := c.Digest()
	// I1 and I7: a decision is final, so a late or repeated prepare never reopens the operation. The digest is compared
	// first: an id that is used again with another content must not be answered with the old outcome. A record that
	// was made by an abort without a prepare has no digest; it refuses every content.
	if x := d.Decision(c.ID); x != nil {
		switch {
		case x.Digest != "" && x.Digest != digest:
			return nil, wire.RefuseOperationDiffers.With(c.ID)
		case !x.Committed:
			return nil, wire.RefuseOperationAborted.With(c.ID)
		}
		return nil, nil
	}
	if err := CheckEpoch(d, c.Store, c.Epoch); err != nil {
		return nil, err
	}
	p := d.Prepared(c.ID)
	if p != nil && p.Digest != digest { // I7: the prepared record is found by its id, also under another store's name
		return nil, wire.RefuseOperationDiffers.With(c.ID)
	}
	if p == nil {
		// I4: everything that could prevent the operation is checked here, before the vote. After it the prepared
		// record locks the name and reserves the ports, so nothing that was checked can change until the decision,
		// and Commit needs no checks.
		if problems := m.check(d, c); len(problems) > 0 {
			return nil, mergeRefusals(problems)
		}
		// I1: a late or repeated prepare has an epoch that was already seen, so it can't start an aborted operation
		// again, not even one whose decision record was dropped. The driver chooses epochs, never a manager: a manager
		// that raised a late prepare's epoch would defeat this check.
		if seen := d.SeenEpoch(c.Store); c.Epoch <= seen {
			return nil, m.stale(c, seen)
		}
		d.NeedRoom() // I4: a full catalog refuses the vote, and never the commit
		return &catalog.PreparedRecord{Operation: *c, Digest: digest, Since: m.Now().UTC().Round(0)}, nil
	}
	// I8: the vote exists, but a replacement of the coordinator may have begun since. A survivor that has promised to
	// ignore the coordinator must not confirm the vote: the driver would count it.
	if n := d.Name(c.Store); checkFences(&n, c) != nil {
		return nil, checkFences(&n, c)
	}
	// The driver prepares again with a higher epoch if some manager had seen a higher one. Only raising is allowed: a
	// late prepare with the lower epoch gets the vote as it stands, and I1 holds since Commit compares the epochs.
	if c.Epoch > p.Epoch {
		raised := *p
		raised.Epoch = c.Epoch
		return &raised, nil
	}
	return p, nil
}

// CheckEpoch refuses an epoch that is too far above the highest one seen here. A single bad request with the largest
// epoch would otherwise make every later operation of the name impossible.
func CheckEpoch(d *catalog.Data, store string, epoch uint64) error {
	if seen := d.SeenEpoch(store); epoch > seen && epoch-seen > wire.EpochStep {
		return wire.Refuse(wire.CodeBadRequest, "epoch: %d is too far above %d, the highest one seen here of %s", epoch, seen, store)
	}
	return nil
}

// stale refuses an epoch that is not above the highest one seen. The result carries that one for the driver's retry.
func (m *Participant) stale(c *wire.Operation, seen uint64) *wire.Result {
	r := wire.RefuseStaleEpoch.With(m.self(), seen, c.Store, c.Epoch)
	r.Epoch = seen
	return r
}

// supersededEpoch refuses a commit or an abort whose epoch is not the epoch of the vote.
func supersededEpoch(p *catalog.PreparedRecord, epoch uint64) *wire.Result {
	r := wire.RefuseSupersededEpoch.With(p.ID, p.Epoch, epoch)
	r.Epoch = p.Epoch
	return r
}

// check returns all problems that this manager has with an operation, given the catalog d, or nothing. The caller
// takes the code of the first one. Prepare calls it within the update that records the vote, so no other update can
// come between the checks and the vote.
func (m *Participant) check(d *catalog.Data, c *wire.Operation) []*wire.Result {
	n := d.Name(c.Store)
	s := d.Named(c.Store)
	// Each of these makes all other checks meaningless: the operation is for another manager, its coordinator does not
	// count (I8), or this catalog may lack votes, so a name or port that it shows as free may be promised (I4).
	for _, r := range []*wire.Result{m.checkParticipant(c), checkFences(&n, c), m.checkSuspect(d, c.Store)} {
		if r != nil {
			return []*wire.Result{r}
		}
	}
	var problems []*wire.Result
	// I6: at most one prepared operation per name. Of two drivers that have a manager in common, at most one gets all
	// the votes that it needs.
	if n.Prepared != nil && n.Prepared.ID != c.ID {
		problems = append(problems, Busy(n.Prepared))
	}
	// I6: the operation must build on the configuration that this manager has, and name the store's own coordinator.
	for _, r := range []*wire.Result{m.checkBase(s, c), checkCoordinator(s, c)} {
		if r != nil {
			return append(problems, r) // the remaining checks would compare with another topology
		}
	}
	// A new topology must be able to run here. A removal needs only that nothing of the store is to run any more.
	if !c.Removes() {
		return append(problems, m.checkInstances(d, s, c)...)
	}
	if r := checkStopped(s, c); r != nil {
		problems = append(problems, r)
	}
	return problems
}

// checkParticipant refuses an operation that this manager takes no part in. The request may be for another manager that
// had this address before: a vote of this manager would be counted as that one's, which has no prepared record (I4).
func (m *Participant) checkParticipant(c *wire.Operation) *wire.Result {
	if !hasManager(c.Managers, m.self()) {
		return wire.RefuseWrongManager.With(m.self())
	}
	return nil
}

// checkFences refuses an operation if this manager was declared lost, if a coordinator replacement is in progress, or
// if the operation's coordinator was declared lost (I8).
func checkFences(n *catalog.Name, c *wire.Operation) *wire.Result {
	if n.DeclaredLost {
		return wire.RefuseDeclaredLost.With(c.Store)
	}
	// The state that FenceCoordinator has answered must stay true until ReplaceCoordinator decides by it. A new vote
	// would change it.
	if n.Replacing != "" {
		return wire.RefuseReplacementUnfinished.With(c.Store, n.Replacing)
	}
	// I8: messages that the lost coordinator sent before it was replaced may still arrive, and a late vote would allow
	// it to commit. This holds also if no store is left of the name.
	if slices.Contains(n.Fenced, c.Coordinator) {
		if c.BaseRevision == 0 {
			return wire.RefuseLostCreator.With(c.Coordinator, c.Store)
		}
		return wire.RefuseLostCoordinator.With(c.Coordinator, c.Store)
	}
	return nil
}

// checkCoordinator refuses an operation that names another coordinator than the store's, or leaves out a manager that
// keeps the store. All operations of a store are thus decided by one manager, one after the other (I6). A store that is
// created has no coordinator yet; drivers with the same managers agree on the one with the smallest identity.
func checkCoordinator(s *catalog.Store, c *wire.Operation) *wire.Result {
	// A store that each manager created by itself, with atomic = false, may have no coordinator either. Its first
	// operation names one, by the same rule. A manager that joins a store has nothing to compare: the coordinator and
	// the other managers, whose votes are needed too, do it.
	if s == nil || s.Coordinator == "" {
		if smallest := smallest(c.Managers); s != nil || c.BaseRevision == 0 && c.Coordinator != smallest {
			return wrongCoordinator(c, smallest)
		}
		return nil
	}
	if s.Coordinator != c.Coordinator {
		return wrongCoordinator(c, s.Coordinator)
	}
	// I5: a manager that is left out would keep the old configuration for good: the new one does not list it, so it
	// takes nothing from the coordinator. A manager that is gone is dropped by name, and the commit declares it lost.
	for _, w := range s.Managers {
		if !hasManager(c.Managers, w.Identity) && w.Identity != c.Drop {
			return wire.RefuseMissingManager.With(w.URL, s.Name)
		}
	}
	return nil
}

// wrongCoordinator refuses an operation whose coordinator is not the given one.
func wrongCoordinator(c *wire.Operation, coordinator string) *wire.Result {
	if c.Coordinator == coordinator {
		return nil
	}
	return wire.RefuseWrongCoordinator.With(c.Store, coordinator, c.Coordinator)
}

// smallest returns the smallest identity of the managers.
func smallest(managers []wire.Manager) string {
	return slices.MinFunc(managers,
		func(a, b wire.Manager) int { return strings.Compare(a.Identity, b.Identity) }).Identity
}

// hasManager reports whether a manager with this identity is in the list.
func hasManager(managers []wire.Manager, identity string) bool {
	return slices.ContainsFunc(managers, func(w wire.Manager) bool { return w.Identity == identity })
}

// checkBase refuses an operation that does not build on the store's present configuration (I6). It compares the
// revision and the operation that made it, since a store that was removed and created again counts the same revisions.
// A manager without the store accepts any base: it receives the whole configuration, and the coordinator, whose vote
// is needed too, has the store and compares the base.
func (m *Participant) checkBase(s *catalog.Store, c *wire.Operation) *wire.Result {
	switch {
	case s == nil && c.Removes():
		return wire.RefuseNothingToRemove.With(c.Store)
	case s == nil && c.BaseRevision > 0 && c.Coordinator == m.self():
		return wire.RefuseNoBase.With(c.Store, c.BaseRevision)
	case s == nil:
		return nil
	case s.Name != c.Store:
		return wire.RefuseNameTaken.With(s.Name)
	case c.BaseRevision == 0:
		return wire.RefuseExisting(s.Name, s.Nodes, c.Nodes)
	case s.Revision != c.BaseRevision || s.LastCommitted() != c.BaseOperation:
		return wire.RefuseStaleRevision.With(s.Name, s.Revision, s.LastCommitted(), c.BaseRevision, c.BaseOperation)
	}
	return nil
}

// checkStopped refuses to remove a store that has instances here whose desired state is Running. An instance that is
// leaving does not count: it stops by itself. With LoseData the caller has allowed it.
func checkStopped(s *catalog.Store, c *wire.Operation) *wire.Result {
	if s == nil || c.LoseData {
		return nil
	}
	var names []string
	for name, l := range s.Local {
		if l.Desired == wire.DesiredRunning && l.Leaving == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	is := " is running"
	if len(names) > 1 {
		is = " are running"
	}
	return wire.RefuseStoreRunning.With(strings.Join(names, ", ")+is, s.Name)
}

// checkInstances compares the topology with the instances of this server. Existing instances must keep their address;
// the names and ports of new ones must be free, so that the committed configuration can run here (I4).
func (m *Participant) checkInstances(d *catalog.Data, s *catalog.Store, c *wire.Operation) []*wire.Result {
	var problems []*wire.Result
	if s != nil {
		if s.Creation != c.Creation {
			return []*wire.Result{wire.RefuseOtherStore.With(s.Name, s.Creation)}
		}
		// The name may belong to a store that was removed and created anew meanwhile: its revisions look alike.
		if r := checkUnchangedNodes(s, c); r != nil {
			problems = append(problems, r)
		}
		if c.Founding {
			if err := CheckNeverStarted(s); err != nil {
				problems = append(problems, err)
			}
		}
	}
	problems = append(problems, m.checkClusterTLS(s, c)...)
	added := m.added(s, c)
	for _, n := range added {
		// The instance of that name has left the topology, but not yet the running store: its folder and its membership
		// are still there, and the new one would find both.
		if s != nil && s.Local[n.Name] != nil {
			problems = append(problems, wire.RefuseStillLeaving.With(n.Name, s.Name))
		}
	}
	return append(problems, m.checkPorts(d, c, added)...)
}

// checkClusterTLS refuses an operation after which instances of this server could not talk to the others of their
// store: TLS on the cluster ports needs keys, and the votes of all managers say that all have them (I4). It is never
// undone, since nothing else keeps a driver that doesn't know of it from doing so by mistake.
//
// The members of a running store are known to each other by URLs with a scheme, which each instance changes in its own
// data when it starts with TLS. So all must have data, or none: a founder without data would found the store by other
// URLs than those that have some.
func (m *Participant) checkClusterTLS(s *catalog.Store, c *wire.Operation) []*wire.Result {
	had := s != nil && s.ClusterTLS
	switch {
	case had && !c.ClusterTLS:
		return []*wire.Result{wire.RefusePlainStore.With(c.Store)}
	case !c.ClusterTLS:
		return nil
	case !m.Secured:
		return []*wire.Result{wire.RefuseSecureStore.With(c.Store)}
	case s == nil || had || c.Founding:
		return nil
	}
	var problems []*wire.Result
	for _, n := range s.Nodes {
		local := s.Local[n.Name]
		if n.Role == wire.Data && local != nil && local.Leaving == nil && !local.Bootstrapped {
			problems = append(problems, wire.RefuseNotAllJoined.With(n.Name, s.Name))
		}
	}
	return problems
}

// checkUnchangedNodes refuses an operation that moves an existing instance to another address, or makes a gateway of an
// instance that holds data. The running store knows its members by their addresses, and data does not move with a node.
func checkUnchangedNodes(s *catalog.Store, c *wire.Operation) *wire.Result {
	for i, n := range c.Nodes {
		old := node(s.Nodes, n.Name)
		if old == nil {
			continue
		}
		if !strings.EqualFold(n.Host, old.Host) || n.ClustronPort != old.ClustronPort || n.ClientPort != old.ClientPort {
			return wire.Refuse(wire.CodeBadTopology, "nodes[%d]: %s is on %s with ports %d and %d: an instance keeps its place", i, n.Name, old.Host, old.ClustronPort, old.ClientPort)
		}
		if n.Role == wire.Gateway && old.Role == wire.Data && !c.Founding {
			return wire.Refuse(wire.CodeBadTopology, "nodes[%d].role: %s holds data: it can't become a gateway, only be removed", i, n.Name)
		}
	}
	return nil
}

// CheckNeverStarted refuses to choose new founders for a store if an instance of it on this server was ever started.
// Its data folder may already hold a cluster that was formed by the old founders.
func CheckNeverStarted(s *catalog.Store) *wire.Result {
	for name, l := range s.Local {
		if l.Started {
			return wire.RefuseStoreStarted.With(name)
		}
	}
	return nil
}

// added returns this server's nodes of an operation that the store does not have yet.
func (m *Participant) added(s *catalog.Store, c *wire.Operation) []wire.Node {
	var out []wire.Node
	for _, n := range c.Nodes {
		if m.Owns(n) && (s == nil || node(s.Nodes, n.Name) == nil) {
			out = append(out, n)
		}
	}
	return out
}

// claims returns the names of the nodes that this manager owns. The driver compares them, so that a node with two
// owners, or with none, is found before anything is written. Only the dry run carries claims: they follow from the host
// and not from the catalog, so nothing can change them between preflight and prepare but a restart under another name.
func (m *Participant) claims(c *wire.Operation) []string {
	var names []string
	for _, n := range c.Nodes {
		if m.Owns(n) {
			names = append(names, n.Name)
		}
	}
	return names
}

// node returns the node of that name, or nil.
func node(nodes []wire.Node, name string) *wire.Node {
	i := slices.IndexFunc(nodes, func(n wire.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &nodes[i]
}

// maxPortProblems bounds the nodes whose ports one answer names as taken. Finding out who holds a port takes long.
const maxPortProblems = 16

// checkPorts checks the ports of all new nodes, and if not all are free those of each node by itself, so that one
// answer names the ports that are taken, of up to maxPortProblems nodes.
func (m *Participant) checkPorts(d *catalog.Data, c *wire.Operation, added []wire.Node) []*wire.Result {
	if m.CheckPorts(d, c.Store, added) == nil {
		return nil
	}
	var problems []*wire.Result
	for _, n := range added {
		if len(problems) == maxPortProblems {
			break
		}
		err := m.CheckPorts(d, c.Store, []wire.Node{n})
		var r *wire.Result
		if errors.As(err, &r) {
			problems = append(problems, r)
		} else if err != nil {
			problems = append(problems, wire.Refuse(wire.CodePortTaken, "%w", err))
		}
	}
	if len(problems) > 1 {
		var all *wire.Result // the hint of the joint check names ports that are free for all of these nodes
		if errors.As(m.Ports(c.Store, added), &all) {
			problems[0].Hint = all.Hint
		}
	}
	return problems
}

// CheckPorts refuses this server's nodes of a store if their ports are in use, or reserved by a prepared operation of
// another store. The reservation is part of the vote (I4): its commit must find the ports free.
func (m *Participant) CheckPorts(d *catalog.Data, store string, nodes []wire.Node) error {
	for _, name := range d.Names {
		p := name.Prepared
		if p == nil || strings.EqualFold(p.Store, store) {
			continue // the store's own operation reserves the ports for these nodes
		}
		for _, kept := range p.Nodes {
			if !m.Owns(kept) {
				continue
			}
			for _, n := range nodes {
				if port := shared(n, kept); port != 0 && m.Owns(n) {
					return wire.RefusePortReserved.With(n.Host, port, kept.Name, p.Store, p.ID)
				}
			}
		}
	}
	return m.Ports(store, nodes)
}

// shared returns a port that both nodes use, or 0.
func shared(a, b wire.Node) int {
	for _, port := range []int{a.ClustronPort, a.ClientPort} {
		if port == b.ClustronPort || port == b.ClientPort {
			return port
		}
	}
	return 0
}
