package twophase

import (
	"encoding/json"
	"fmt"
	"slices"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// broken describes what broke in a simulation; empty if nothing did.
type broken string

// fail records the first failure, which ends the simulation.
func (s *simulation) fail(format string, args ...any) {
	if s.broken == "" {
		s.broken = broken(fmt.Sprintf(format, args...))
	}
}

func (s *simulation) decode(text []byte, into any) {
	if err := json.Unmarshal(text, into); err != nil {
		s.fail("a body that can't be read: %v: %s", err, text)
	}
}

// passedCommitPoint reports whether the coordinator of an operation has committed it.
func (s *simulation) passedCommitPoint(id string) bool {
	for _, m := range s.managers {
		if m.disk.identity == s.changes[id].Coordinator {
			return m.committed[id]
		}
	}
	return false
}

// checkWrite checks a manager's durable catalog against the history of all managers, after each write.
func (s *simulation) checkWrite(m *manager) {
	d := m.disk.read(m.disk.durable)
	s.recordHealing(m, d)
	for _, store := range stores {
		s.recordLost(d, store)
	}
	for _, n := range d.Names {
		for _, x := range n.Decisions {
			if x.Committed {
				s.recordCommit(m, x.ID)
			} else {
				s.recordAbort(m, x.ID)
			}
		}
		if n.Prepared != nil && d.Decision(n.Prepared.ID) != nil {
			s.fail("%s has %s prepared and decided", m.host, n.Prepared.ID)
		}
	}
	for _, there := range d.Stores {
		s.recordCommit(m, there.LastOperation)
		if !s.passedCommitPoint(there.LastOperation) {
			s.fail("I3: %s has %s at revision %d by %s, which its coordinator has not committed", m.host, there.Name, there.Revision, there.LastOperation)
		}
		c := s.changes[there.LastOperation]
		replaced := len(s.lost[c.Store]) > 0
		if there.Name != c.Store || there.Creation != c.Creation || !slices.Equal(there.Nodes, c.Nodes) ||
			!replaced && (there.Coordinator != c.Coordinator || !slices.Equal(there.Managers, c.Managers)) {
			s.fail("I7: %s has another content of %s than its runner proposed: %+v, not %+v", m.host, c.ID, there.Configuration(), c)
		}
	}
	s.checkAgreement()
}

// recordAbort records an abort. A person may abort what only the coordinator had committed, and has forgotten.
func (s *simulation) recordAbort(m *manager, id string) {
	m.aborted[id] = true
	c := s.changes[id]
	if s.overruled[id] && c != nil && c.Coordinator == m.disk.identity && m.committed[id] {
		delete(m.committed, id)
		s.heads[c.Store] = c.BaseOperation
	}
}

// recordHealing counts what a manager has healed with a write.
func (s *simulation) recordHealing(m *manager, d *catalog.Data) {
	for _, key := range m.suspects {
		if slices.Contains(d.SuspectStores, key) {
			continue
		}
		switch there := d.Named(key); {
		case there == nil:
			s.outcomes[healedName]++
		case there.Coordinator == m.disk.identity:
			s.outcomes[healed]++
		}
	}
	if m.names && !d.SuspectNames {
		s.outcomes[freed]++
	}
	m.suspects, m.names = d.SuspectStores, d.SuspectNames
}

// recordCommit records a commit. At the coordinator the operation must build on the previous commit (I6).
func (s *simulation) recordCommit(m *manager, id string) {
	if m.committed[id] {
		return
	}
	m.committed[id] = true
	c := s.changes[id]
	if c.Coordinator != m.disk.identity {
		return
	}
	if s.overruled[id] { // a person may commit what only this coordinator had aborted, and has forgotten
		delete(m.aborted, id)
	}
	if s.lost[c.Store][m.disk.identity] {
		s.fail("I8: %s was declared lost, and commits %s", m.host, id)
	}
	if s.reportedAborted[id] && !s.overruled[id] {
		s.fail("%s commits %s, which a runner has reported as aborted", m.host, id)
	}
	if head := s.heads[c.Store]; head != c.BaseOperation {
		s.fail("I6: %s commits %s, which builds on %q, while the store is at %q", m.host, id, c.BaseOperation, head)
	}
	s.heads[c.Store] = id
	if c.Removes() {
		s.heads[c.Store] = ""
	}
}

// recordLost records that a coordinator was declared lost, and the last commit that the survivors continue from. An
// operation that only the lost coordinator had committed is no longer the last commit.
func (s *simulation) recordLost(d *catalog.Data, store string) {
	for _, identity := range d.Name(store).Fenced {
		if s.lost[store][identity] {
			continue
		}
		if s.lost[store] == nil {
			s.lost[store] = map[string]bool{}
		}
		s.lost[store][identity] = true
		if s.headSurvives(store) {
			continue
		}
		s.heads[store] = ""
		if there := d.Stores[store]; there != nil {
			s.heads[store] = there.LastOperation
		}
	}
}

// headSurvives reports whether a manager that was not declared lost has the last commit of a store. Then all continue
// from it.
func (s *simulation) headSurvives(store string) bool {
	for m, c := range s.configurations(store) {
		if c.LastOperation == s.heads[store] && !s.lost[store][m.disk.identity] {
			return true
		}
	}
	return false
}

// checkAgreement checks that no operation is both committed and aborted (I1), except at managers that were declared
// lost.
func (s *simulation) checkAgreement() {
	for _, a := range s.managers {
		for id := range a.aborted {
			for _, b := range s.managers {
				lost := s.lost[s.changes[id].Store]
				if b.committed[id] && !lost[a.disk.identity] && !lost[b.disk.identity] {
					s.fail("I1: %s is aborted at %s and committed at %s", id, a.host, b.host)
				}
			}
		}
	}
}

// converged checks, once the faults have ended, that nothing is prepared and all managers have the same configuration
// (I5).
func (s *simulation) converged() {
	for _, m := range s.managers {
		if d := m.disk.read(m.disk.durable); d.SuspectNames {
			s.fail("%s still votes for no unknown name", m.host)
		}
		for _, n := range m.disk.read(m.disk.durable).Names {
			if n.Replacing != "" {
				s.fail("I5: %s has not completed the replacement of %s", m.host, n.Replacing)
			}
			if n.Prepared != nil && !s.lost[n.Prepared.Store][m.disk.identity] {
				s.fail("I5: %s still has %s of %s prepared", m.host, n.Prepared.ID, n.Prepared.Store)
			}
		}
	}
	for _, store := range stores {
		all := s.configurations(store)
		for m, c := range all {
			if s.lost[store][m.disk.identity] {
				continue
			}
			if s.heads[store] != c.LastOperation {
				s.fail("I5: %s has %s by %s, the last commit is %q", m.host, store, c.LastOperation, s.heads[store])
			}
			for _, w := range c.Managers {
				for _, other := range s.managers {
					if o := all[other]; other.disk.identity == w.Identity &&
						(o == nil || o.LastOperation != c.LastOperation || o.Digest != c.Digest || o.Revision != c.Revision) {
						s.fail("I5: %s has %s by %s, %s has %+v", m.host, store, c.LastOperation, other.host, o)
					}
				}
			}
		}
		if s.heads[store] != "" && len(all) == 0 {
			s.fail("I5: %s was committed by %s, and no manager has it", store, s.heads[store])
		}
	}
}

// settled checks, 40 s after the faults and all runners have ended, that nothing is prepared any more, unless a person
// has to decide it, or to repair the store.
func (s *simulation) settled() {
	for _, m := range s.managers {
		for _, n := range m.disk.read(m.disk.durable).Names {
			if p := n.Prepared; p != nil && !s.lost[p.Store][m.disk.identity] && s.replacing(p.Store) == "" &&
				s.suspectCoordinator(p.Store) == "" && !s.overruled[p.ID] {
				s.fail("I5: after 40 s %s still has %s of %s prepared", m.host, p.ID, p.Store)
			}
		}
	}
}

// differentContent sends a manager the operations that it knows with another content: it must refuse them (I7).
func (s *simulation) differentContent(m *manager) {
	d := m.disk.Snapshot()
	for _, n := range d.Names {
		for id, digest := range known(n) {
			c := *s.changes[id]
			c.Owner += " somebody else"
			if digest == "" {
				continue // the manager has received only the abort
			}
			if _, err := m.participant.Prepare(c); !isCode(err, wire.CodeOperationDiffers) {
				s.fail("I7: %s takes %s with another content: %v", m.host, id, err)
			}
		}
	}
}

// known returns the digests of a name's operations, by operation.
func known(n *catalog.Name) map[string]string {
	out := map[string]string{}
	for _, x := range n.Decisions {
		out[x.ID] = x.Digest
	}
	if n.Prepared != nil {
		out[n.Prepared.ID] = n.Prepared.Digest
	}
	return out
}
