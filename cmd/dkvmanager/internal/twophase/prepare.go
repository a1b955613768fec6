package twophase

import (
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
