package commit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"dkvrun/runtime/wire"
)

// undecided is an operation that its suspect coordinator may have committed or aborted.
type undecided struct {
	coordinator int // index in Recovery.Managers
	id          string
	operation   *wire.Operation
}

// Decide ends an operation that its coordinator may have committed or aborted before it lost writes, and that nobody
// can decide: all other participants have prepared it. commits is what a person has decided.
//
// First all other participants vote again at a higher epoch, so that a late message of the coordinator from before the
// loss finds nothing to decide (I1). Then the coordinator asks all of them once more, and its one durable write is the
// decision (twophase, Heal). Each step can be repeated: after a crash the same call goes on. If nothing needs a
// person's decision, Decide does what Resolve does.
func (r *Recovery) Decide(ctx context.Context, commits bool) *Outcome {
	u := r.findUndecided(r.ask(ctx, r.all(), "POST", wire.ResolvePath(r.Store), nil))
	if u == nil {
		return r.Resolve(ctx)
	}
	others, refused := r.votersOf(ctx, u)
	if refused != nil {
		return refused
	}
	votes, failed := r.voteAgain(ctx, u, others)
	if failed {
		return r.notDecided(votes, "not all managers have voted again; nothing is decided; call repair_store again")
	}
	choice := wire.DecideDrop
	if commits {
		choice = wire.DecideMake
	}
	// The decision must not stop half way for a cancelled run.
	ctx = context.WithoutCancel(ctx)
	healed := r.ask(ctx, []int{u.coordinator}, "POST", wire.HealPath(r.Store),
		wire.HealRequest{Operation: *u.operation, Decide: choice})[u.coordinator]
	if healed.refusal != nil {
		return r.notDecided(map[int]answer{u.coordinator: {Reply: healed.Reply, refusal: healed.refusal}},
			"nothing is decided yet; call repair_store again")
	}
	out := r.Resolve(ctx)
	if row := &out.Rows[u.coordinator]; row.Result != Failed {
		row.Code, row.Message = wire.CodeOK, fmt.Sprintf("%s: %s", u.operation.Action, healed.state.Of(u.id))
	}
	return out
}

// findUndecided returns the operation that a suspect coordinator can't decide, or nil.
func (r *Recovery) findUndecided(states map[int]stateReply) *undecided {
	for _, i := range r.all() {
		if s := states[i].state; s.Suspect && s.Doubt != nil && s.Doubt.Operation != "" {
			return &undecided{coordinator: i, id: s.Doubt.Operation}
		}
	}
	return nil
}

// votersOf reads the operation from a manager that has prepared it, with an epoch above every one that a manager has
// seen, and returns the indexes of the participants other than the coordinator.
func (r *Recovery) votersOf(ctx context.Context, u *undecided) (others []int, refused *Outcome) {
	var requests []Request
	for _, i := range r.all() {
		requests = append(requests, Request{To: i, Method: "GET", Path: wire.StatePath(r.Store), Query: "content=true"})
	}
	epoch := uint64(0)
	for i, reply := range r.Transport.Send(ctx, requests, Send{Parallel: true}) {
		s := r.readState(r.Managers[i], reply).state
		epoch = max(epoch, s.Epoch)
		if s.Prepared != nil {
			epoch = max(epoch, s.Prepared.Epoch)
		}
		if c := s.Content; c != nil && c.ID == u.id && c.Digest() == s.Prepared.Digest && u.operation == nil {
			u.operation = c
		}
	}
	if u.operation == nil {
		return nil, r.notDecided(nil, fmt.Sprintf("no manager that answered has operation %s any more; call repair_store again", u.id))
	}
	u.operation.Epoch, u.operation.DryRun = epoch+1, false
	for _, w := range u.operation.Managers {
		i := slices.IndexFunc(r.Managers, func(have wire.Manager) bool { return have.Identity == w.Identity })
		switch {
		case i < 0:
			return nil, r.notDecided(nil, w.URL+" takes part in the operation and is not connected: all managers have to take part")
		case i != u.coordinator:
			others = append(others, i)
		}
	}
	return others, nil
}

// voteAgain lets the participants vote for the operation at its new epoch.
func (r *Recovery) voteAgain(ctx context.Context, u *undecided, others []int) (votes map[int]answer, failed bool) {
	body, _ := json.Marshal(u.operation) // it was read from JSON
	var requests []Request
	for _, i := range others {
		requests = append(requests, Request{To: i, Method: "POST", Path: wire.OperationsPath(),
			Query: "to=" + url.QueryEscape(r.Managers[i].Identity), Body: body})
	}
	votes = map[int]answer{}
	if len(requests) == 0 {
		return votes, false
	}
	for k, reply := range r.Transport.Send(ctx, requests, Send{Parallel: true}) {
		i := requests[k].To
		var op wire.OperationStatus
		a := answer{Reply: reply}
		a.refusal = decodeReply(reply, &op)
		// A manager that has committed or aborted it meanwhile gives the decision: the coordinator finds it.
		if a.refusal != nil && a.refusal.Code == wire.CodeOperationAborted {
			a.refusal = nil
		} else if a.refusal == nil && (op.ID != u.id || op.Manager != r.Managers[i].Identity ||
			op.State == wire.OperationPrepared && op.Epoch != u.operation.Epoch) {
			a.refusal = invalid(reply, "answered as manager %.60s about operation %.60s at epoch %d", op.Manager, op.ID, op.Epoch)
		}
		failed = failed || a.refusal != nil
		votes[i] = a
	}
	return votes, failed
}

// notDecided returns the outcome when the person's decision was not carried out. answers are those of the managers that
// stand in the way, or have voted again.
func (r *Recovery) notDecided(answers map[int]answer, why string) *Outcome {
	out := &Outcome{State: Unknown, Summary: fmt.Sprintf("%s: %s", r.Store, why), Rows: make([]Row, len(r.Managers))}
	for i := range out.Rows {
		a, asked := answers[i]
		switch {
		case asked && a.refusal != nil:
			out.Rows[i] = a.failure()
		case asked:
			out.Rows[i] = a.row(Failed, wire.CodeSuspect, "has voted again; nothing is decided yet")
		default:
			out.Rows[i] = answer{Reply: r.responses[i].Reply}.row(Failed, wire.CodeSuspect, why)
		}
	}
	return out
}
