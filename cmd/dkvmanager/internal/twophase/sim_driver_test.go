package twophase

import (
	"context"
	"fmt"
	"slices"
	"time"

	runner "dkvrun/runtime/commit"
	"dkvrun/runtime/wire"
)

// script runs one runner: a few changes, each planned on a configuration that may be out of date.
func (s *simulation) script(p *process) {
	for range 1 + s.rng.IntN(4) {
		s.sleep(s.upTo(15 * time.Second))
		c, participants := s.plan()
		if c == nil {
			continue
		}
		if s.chance(0.3) { // the plan gets out of date
			s.sleep(s.upTo(20 * time.Second))
		}
		s.changes[c.ID] = c
		n := network{s, participants}
		names := make([]string, len(participants))
		for i, m := range participants {
			names[i] = m.host
		}
		ctx, cancel := context.WithCancel(context.Background())
		t := s.current
		if s.chance(0.15) { // Ctrl-C, or the deadline
			s.after(s.upTo(3*time.Second), func() { cancel(); s.wake(t, 0) })
		}
		r := &runner.Driver{
			Transport: n, Clock: n, Operation: *c, Names: names, Verb: "Changed",
			Parallel: s.chance(0.7), FailFast: s.chance(0.3), DecideTimeout: 20 * time.Second,
		}
		s.checkOutcome(c, participants, r.Run(ctx))
		cancel()
	}
}

// checkOutcome compares the outcome that a runner reported with what the managers have done.
func (s *simulation) checkOutcome(c *wire.Operation, participants []*manager, out *runner.Outcome) {
	s.outcomes[out.State]++
	switch out.State {
	case runner.Committed:
		if !s.passedCommitPoint(c.ID) && !s.overruled[c.ID] {
			s.fail("%s is reported as committed, and its coordinator has not committed it", c.ID)
		}
	case runner.Aborted, runner.Refused:
		s.reportedAborted[c.ID] = true
		if s.passedCommitPoint(c.ID) && !s.overruled[c.ID] {
			s.fail("%s is reported as aborted, and its coordinator has committed it", c.ID)
		}
	}
	for i, row := range out.Rows {
		if row.Result == runner.Done && !participants[i].committed[c.ID] {
			s.fail("the row of %s says SUCCESS for %s, which it has not committed", participants[i].host, c.ID)
		}
	}
}

// stores are the names that the runners compete for.
var stores = []string{"OrdersStore", "CartStore"}

// plan returns a change that builds on the configuration of one of the managers, with its participants.
func (s *simulation) plan() (*wire.Operation, []*manager) {
	store := stores[s.rng.IntN(len(stores))]
	seen := s.managers[s.rng.IntN(len(s.managers))]
	there := seen.disk.read(seen.disk.durable).Stores[store]
	s.planned++
	c := &wire.Operation{ID: fmt.Sprintf("op-%d", s.planned), Store: store, Owner: "sim"}
	if there == nil {
		return s.create(c)
	}
	now := there.Configuration()
	c.Coordinator, c.Managers, c.Creation, c.Founders = now.Coordinator, now.Managers, now.Creation, now.Founders
	c.BaseRevision, c.BaseOperation = now.Revision, now.LastOperation
	switch what := s.rng.IntN(10); {
	case what < 2:
		c.Action = wire.RemoveStoreAction
	case what < 5 && len(now.Nodes) > 1:
		c.Action = wire.RemoveInstanceAction
		gone := s.rng.IntN(len(now.Nodes))
		c.Nodes = wire.AssignRoles(slices.Delete(slices.Clone(now.Nodes), gone, gone+1))
	default:
		c.Action = wire.AddInstanceAction
		m := s.managers[s.rng.IntN(len(s.managers))]
		if !hasManager(c.Managers, m.disk.identity) {
			c.Managers = append(slices.Clone(c.Managers), m.keeper())
		}
		c.Nodes = wire.AssignRoles(append(slices.Clone(now.Nodes), s.node(m)))
	}
	return c, s.participants(c)
}

func (s *simulation) create(c *wire.Operation) (*wire.Operation, []*manager) {
	some := slices.Clone(s.managers)
	s.rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	some = some[:len(some)/2+1+s.rng.IntN(len(some)-len(some)/2)] // any two of these sets have a manager in common
	for _, m := range some {
		c.Managers = append(c.Managers, m.keeper())
		c.Nodes = append(c.Nodes, s.node(m))
	}
	c.Action, c.Creation, c.Coordinator = wire.CreateAction, c.ID, smallest(c.Managers)
	c.Nodes = wire.AssignRoles(c.Nodes)
	c.Founders = wire.Founders(c.Nodes)
	return c, some
}

// node returns a new instance on a manager's server, with ports that no other instance has.
func (s *simulation) node(m *manager) wire.Node {
	s.ports++
	return wire.Node{Name: fmt.Sprintf("n-%d", s.ports), Host: m.host, ClustronPort: 10000 + s.ports,
		ClientPort: 30000 + s.ports}
}

func (s *simulation) participants(c *wire.Operation) []*manager {
	var out []*manager
	for _, w := range c.Managers {
		i := slices.IndexFunc(s.managers, func(m *manager) bool { return m.disk.identity == w.Identity })
		out = append(out, s.managers[i])
	}
	return out
}

func (m *manager) keeper() wire.Manager { return wire.Manager{Identity: m.disk.identity, URL: m.url()} }

// configurations returns the configurations of a store by manager. Managers without the store are left out.
func (s *simulation) configurations(store string) map[*manager]*wire.Configuration {
	out := map[*manager]*wire.Configuration{}
	for _, m := range s.managers {
		if there := m.disk.read(m.disk.durable).Stores[store]; there != nil {
			out[m] = there.Configuration()
		}
	}
	return out
}
