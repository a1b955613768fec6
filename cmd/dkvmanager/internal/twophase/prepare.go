package twophase

import (
	"errors"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/wire"
)

// Preflight says what would speak against a change, everything at once, and writes nothing. The answer
// has the highest epoch seen and names the nodes that this manager takes for its own.
func (m *Participant) Preflight(c wire.Operation) (wire.OperationStatus, error) {
	if err := Validate(&c); err != nil {
		return wire.OperationStatus{}, err
	}
	d := m.Catalog.Snapshot()
	m.expireLease(d, c.Store)
	if problems := m.check(d, &c); len(problems) > 0 {
		return wire.OperationStatus{}, mergeRefusals(problems)
	}
	return wire.OperationStatus{
		ID: c.ID, State: wire.OperationUnknown, Manager: m.self(),
		Action: c.Action, Store: c.Store, Epoch: d.Name(c.Store).Epoch, Claims: m.claims(&c),
	}, nil
}

// Prepare votes for a change, and has made the vote durable when it returns without an error. The same
// change again gets the same answer; with a higher epoch it raises that of the vote.
func (m *Participant) Prepare(c wire.Operation) (wire.OperationStatus, error) {
	if err := Validate(&c); err != nil {
		return wire.OperationStatus{}, err
	}
	_ = failpoint.At("prepare.received")
	var answer wire.OperationStatus
	err := m.Catalog.Update(func(d *catalog.Data) error {
		failpoint.Enter("prepare")
		m.expireLease(d, c.Store)
		p, err := m.vote(d, &c)
		if err == nil && p != nil {
			d.SetName(c.Store, func(n *catalog.Name) { n.Prepared, n.Epoch = p, max(n.Epoch, p.Epoch) })
			answer = m.preparedStatus(p)
		} else if err == nil {
			answer = m.decisionStatus(d.Decision(c.ID))
		}
		return err
	})
	if err == nil && answer.State == wire.OperationPrepared {
		m.touch(c.ID)
	}
	_ = failpoint.At("prepare.durable")
	return answer, err
}

// vote is the pending change that a prepare makes or finds; nil where the operation is committed.
func (m *Participant) vote(d *catalog.Data, c *wire.Operation) (*catalog.PreparedRecord, error) {
	digest := c.Digest()
	// I1 and I7: an operation that has ended is not prepared again, and one id stands for one content.
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
	if p != nil && p.Digest != digest { // I7
		return nil, wire.RefuseOperationDiffers.With(c.ID)
	}
	if p == nil {
		// I4: all that can speak against the operation is checked before the vote.
		if problems := m.check(d, c); len(problems) > 0 {
			return nil, mergeRefusals(problems)
		}
		// I1: a late or repeated prepare is not above the epoch that was seen, and can't begin an aborted operation again.
		if seen := d.Name(c.Store).Epoch; c.Epoch <= seen {
			return nil, m.stale(c, seen)
		}
		return &catalog.PreparedRecord{Operation: *c, Digest: digest, Since: m.Now().UTC().Round(0)}, nil
	}
	if n := d.Name(c.Store); checkFences(&n, c) != nil {
		return nil, checkFences(&n, c)
	}
	if c.Epoch > p.Epoch {
		raised := *p
		raised.Epoch = c.Epoch
		return &raised, nil
	}
	return p, nil
}

// CheckEpoch refuses an epoch that no change can have come to.
func CheckEpoch(d *catalog.Data, store string, epoch uint64) error {
	if seen := d.Name(store).Epoch; epoch > seen && epoch-seen > wire.EpochStep {
		return wire.Refuse(wire.CodeBadRequest, "epoch: %d is too far above %d, the highest one seen here of %s", epoch, seen, store)
	}
	return nil
}

func (m *Participant) stale(c *wire.Operation, seen uint64) *wire.Result {
	r := wire.RefuseStaleEpoch.With(m.self(), seen, c.Store, c.Epoch)
	r.Epoch = seen
	return r
}

func moved(p *catalog.PreparedRecord, epoch uint64) *wire.Result {
	r := wire.RefuseSupersededEpoch.With(p.ID, p.Epoch, epoch)
	r.Epoch = p.Epoch
	return r
}

// check returns everything that speaks against a change on this manager, as the catalog stands. The first
// is what has to be settled first.
func (m *Participant) check(d *catalog.Data, c *wire.Operation) []*wire.Result {
	n := d.Name(c.Store)
	s := d.Named(c.Store)
	for _, r := range []*wire.Result{m.checkParticipant(c), checkFences(&n, c), m.checkSuspect(d, c.Store)} {
		if r != nil {
			return []*wire.Result{r}
		}
	}
	var problems []*wire.Result
	if n.Prepared != nil && n.Prepared.ID != c.ID {
		problems = append(problems, Busy(n.Prepared))
	}
	// I6: an operation builds on the configuration that its driver has seen, at the store's own coordinator.
	for _, r := range []*wire.Result{m.checkBase(s, c), checkCoordinator(s, c)} {
		if r != nil {
			return append(problems, r) // what follows would be held against another topology
		}
	}
	if !c.Removes() {
		return append(problems, m.checkInstances(d, s, c)...)
	}
	if r := checkStopped(s, c); r != nil {
		problems = append(problems, r)
	}
	return problems
}

func (m *Participant) checkParticipant(c *wire.Operation) *wire.Result {
	if !hasManager(c.Managers, m.self()) {
		return wire.RefuseWrongManager.With(m.self())
	}
	return nil
}

// checkFences refuses the word of a coordinator that was declared lost, and everything while a repair is on. One
// that comes back without the store takes part again like any other.
func checkFences(n *catalog.Name, c *wire.Operation) *wire.Result {
	if n.DeclaredLost {
		return wire.RefuseDeclaredLost.With(c.Store)
	}
	if n.Replacing != "" {
		return wire.RefuseReplacementUnfinished.With(c.Store, n.Replacing)
	}
	if slices.Contains(n.Fenced, c.Coordinator) { // I8
		if c.BaseRevision == 0 {
			return wire.RefuseLostCreator.With(c.Coordinator, c.Store)
		}
		return wire.RefuseLostCoordinator.With(c.Coordinator, c.Store)
	}
	return nil
}

// checkCoordinator reports whether the change names the manager that decides, and all that keep the store.
func checkCoordinator(s *catalog.Store, c *wire.Operation) *wire.Result {
	if s == nil || s.Coordinator == "" {
		if smallest := smallest(c.Managers); s != nil || c.BaseRevision == 0 && c.Coordinator != smallest {
			return wrongCoordinator(c, smallest)
		}
		return nil
	}
	if s.Coordinator != c.Coordinator {
		return wrongCoordinator(c, s.Coordinator)
	}
	for _, w := range s.Managers {
		if !hasManager(c.Managers, w.Identity) && w.Identity != c.Drop {
			return wire.RefuseMissingManager.With(w.URL, s.Name)
		}
	}
	return nil
}

func wrongCoordinator(c *wire.Operation, coordinator string) *wire.Result {
	if c.Coordinator == coordinator {
		return nil
	}
	return wire.RefuseWrongCoordinator.With(c.Store, coordinator, c.Coordinator)
}

func smallest(managers []wire.Manager) string {
	return slices.MinFunc(managers, func(a, b wire.Manager) int { return strings.Compare(a.Identity, b.Identity) }).Identity
}

func hasManager(managers []wire.Manager, identity string) bool {
	return slices.ContainsFunc(managers, func(w wire.Manager) bool { return w.Identity == identity })
}

// checkBase holds the configuration that the change builds on against the store's: by its revision and
// by who made it, since a store that was removed and made again has the same revisions. A manager that
// does not have the store takes it whole: the coordinator, which has it, vouches for it.
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
		return wire.RefuseOtherTopology.With(s.Name, wire.DescribeDifference(s.Nodes, c.Nodes))
	case s.Revision != c.BaseRevision || s.LastCommitted() != c.BaseOperation:
		return wire.RefuseStaleRevision.With(s.Name, s.Revision, s.LastCommitted(), c.BaseRevision, c.BaseOperation)
	}
	return nil
}

// checkStopped refuses to remove a store that is to run here.
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

// checkInstances holds the topology against what this server has: old instances keep their places, new
// ones find their names and ports free.
func (m *Participant) checkInstances(d *catalog.Data, s *catalog.Store, c *wire.Operation) []*wire.Result {
	var problems []*wire.Result
	if s != nil {
		if s.Creation != c.Creation {
			return []*wire.Result{wire.RefuseOtherStore.With(s.Name, s.Creation)}
		}
		if r := checkKept(s, c); r != nil {
			problems = append(problems, r)
		}
		if c.Founding {
			if err := CheckNeverStarted(s); err != nil {
				problems = append(problems, err)
			}
		}
	}
	added := m.added(s, c)
	for _, n := range added {
		if s != nil && s.Local[n.Name] != nil {
			problems = append(problems, wire.RefuseStillLeaving.With(n.Name, s.Name))
		}
	}
	return append(problems, m.checkPorts(d, c, added)...)
}

// checkKept refuses a change that moves an instance, or takes data from one that stays.
func checkKept(s *catalog.Store, c *wire.Operation) *wire.Result {
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

// CheckNeverStarted refuses to found a store anew when an own instance has been started: its folder may hold the
// beginnings of a store with the old founders.
func CheckNeverStarted(s *catalog.Store) *wire.Result {
	for name, l := range s.Local {
		if l.Started {
			return wire.RefuseStoreStarted.With(name)
		}
	}
	return nil
}

// added are the own nodes that the store does not have.
func (m *Participant) added(s *catalog.Store, c *wire.Operation) []wire.Node {
	var out []wire.Node
	for _, n := range c.Nodes {
		if m.Owns(n) && (s == nil || node(s.Nodes, n.Name) == nil) {
			out = append(out, n)
		}
	}
	return out
}

// claims are the names of the nodes that this manager takes for its own.
func (m *Participant) claims(c *wire.Operation) []string {
	var names []string
	for _, n := range c.Nodes {
		if m.Owns(n) {
			names = append(names, n.Name)
		}
	}
	return names
}

func node(nodes []wire.Node, name string) *wire.Node {
	i := slices.IndexFunc(nodes, func(n wire.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &nodes[i]
}

// checkPorts looks at each of the new nodes, so that all ports that are taken are named.
func (m *Participant) checkPorts(d *catalog.Data, c *wire.Operation, added []wire.Node) []*wire.Result {
	var problems []*wire.Result
	for _, n := range added {
		err := m.CheckPorts(d, c.Store, []wire.Node{n})
		var r *wire.Result
		if errors.As(err, &r) {
			problems = append(problems, r)
		} else if err != nil {
			problems = append(problems, wire.Refuse(wire.CodePortTaken, "%w", err))
		}
	}
	if len(problems) > 1 {
		var all *wire.Result // its hint is a pair that is free for all of the nodes
		if errors.As(m.Ports(c.Store, added), &all) {
			problems[0].Hint = all.Hint
		}
	}
	return problems
}

// CheckPorts refuses own nodes of a store one of whose ports is taken on this server, or kept for another
// store's pending change.
func (m *Participant) CheckPorts(d *catalog.Data, store string, nodes []wire.Node) error {
	for _, name := range d.Names {
		p := name.Prepared
		if p == nil || strings.EqualFold(p.Store, store) {
			continue
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

// shared is a port that both nodes use, or 0.
func shared(a, b wire.Node) int {
	for _, port := range []int{a.ClustronPort, a.ClientPort} {
		if port == b.ClustronPort || port == b.ClientPort {
			return port
		}
	}
	return 0
}
