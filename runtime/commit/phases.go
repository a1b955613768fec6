package commit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"dkvrun/runtime/wire"
)

// The waits between two requests for the coordinator's decision: firstWait, then doubled up to lastWait.
const (
	firstWait = 200 * time.Millisecond
	lastWait  = 2 * time.Second
)

// newBackoff returns the waits between two requests for the coordinator's decision. They are not randomized: one
// driver asks one manager.
func newBackoff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{InitialInterval: firstWait, Multiplier: 2, MaxInterval: lastWait}
}

// runPhases collects the votes and then asks the coordinator for the decision. It renews the lease throughout.
func (r *Driver) runPhases(ctx context.Context) *Outcome {
	// Renewals go on until the decision is known, not only until all have voted: an operation whose commit is asked for
	// must not expire because the coordinator is slow. A renewal that arrives before the coordinator's vote is refused
	// as unknown, which does no harm.
	stop := r.Clock.Every(wire.RenewEvery, func() {
		// The reply is ignored. A lease that has ended shows in the answer to the commit: the coordinator checks it
		// in the same step as the decision, so a lost or late renewal can abort the operation but never split it.
		r.Transport.Send(ctx, []Request{r.renew()}, Send{})
	})
	defer stop()
	votes, all := r.collectVotes(ctx)
	// I1: a commit needs every vote, and all of them at one epoch. A vote of an earlier epoch may be aborted already.
	// I4: from its vote on, a participant can't refuse the commit, so the decision is carried out everywhere.
	if all && ctx.Err() == nil {
		return r.commitPhase(ctx, votes)
	}
	return r.abortPhase(ctx, votes)
}

// collectVotes sends prepare to all managers and returns their votes in the order of the managers, and whether all
// voted yes. When a manager has seen a higher epoch, all are asked again above that epoch, at most
// maxPrepareRounds times.
func (r *Driver) collectVotes(ctx context.Context) (votes []answer, all bool) {
	for range maxPrepareRounds {
		// The epoch is part of the body, so that every round has another one. The digest that is voted for leaves the
		// epoch out: it is the same operation (I7).
		r.encode(false)
		votes = make([]answer, len(r.Operation.Managers))
		for i := range votes {
			votes[i] = read(Reply{Class: NotSent, Message: "not asked: the operation was stopped before"})
		}
		// I6: the coordinator votes first. Its vote locks the store, so of two drivers with the same managers the one
		// that locks it wins, and the other has asked no other manager for a vote.
		first := r.prepare(r.coordinator)
		votes[r.coordinator] = r.read(first, r.Transport.Send(ctx, []Request{first}, Send{})[0])
		if r.isYes(votes[r.coordinator]) {
			r.coordinatorVoted = true
			// The others are asked only now: while the coordinator refuses, no participant holds a vote that has to be
			// aborted. The order of their votes does not matter. None of them decides, and all are locked by the
			// coordinator's vote.
			requests := r.others(r.prepare)
			how := Send{Parallel: r.Parallel, FailFast: r.FailFast,
				Failed: func(reply Reply) bool { a := read(reply); return !r.isYes(a) || r.otherContent(&a.op) != "" }}
			for i, reply := range r.Transport.Send(ctx, requests, how) {
				votes[requests[i].To] = r.read(requests[i], reply)
			}
		}
		// Any other no ends the operation. It is about the operation's content or the manager's state, and the same
		// prepare would get it again.
		all = true
		higher := uint64(0)
		for _, v := range votes {
			all = all && r.isYes(v)
			// The bound keeps one faulty manager from pushing the epoch so high that all others refuse it.
			if v.code() == wire.CodeStaleEpoch && v.refusal.Epoch < r.Operation.Epoch+wire.EpochStep {
				higher = max(higher, v.refusal.Epoch)
			}
		}
		if all || higher == 0 {
			break
		}
		// I1: the next round is above every epoch seen. A late copy of a prepare or an abort of this round does not
		// apply to it. Participants that are prepared at the old epoch are not aborted in between: the next prepare
		// raises their votes, and the store stays locked (I6).
		r.Operation.Epoch = higher + 1
	}
	return votes, all
}

// isYes reports whether an answer is a yes-vote at the current epoch. A refusal, silence, an invalid answer and a vote
// of another epoch all count as no; the participant may be prepared nevertheless, so it is sent the abort.
func (r *Driver) isYes(a answer) bool {
	return a.refusal == nil && a.op.State == wire.OperationPrepared && a.op.Epoch == r.Operation.Epoch
}

// commitPhase asks the coordinator to commit. Its durable write is the commit point: until its answer has arrived, the
// driver sends nothing to the other participants (I1). A participant that committed before the coordinator could not
// revert that if the coordinator's disk failed, or if the lease had expired.
func (r *Driver) commitPhase(ctx context.Context, votes []answer) *Outcome {
	a, known := r.askCoordinator(ctx, r.commit(r.coordinator))
	switch {
	case !known:
		// The coordinator may have committed and its answer may be lost. Neither commit nor abort is safe.
		return r.outcomeUnknown(a, votes)
	case a.refusal == nil && a.op.State == wire.OperationCommitted:
		return r.finishCommit(ctx, a)
	case a.code() == wire.CodeOperationAborted:
		// The lease had expired, or another client aborted the operation. This decision is final.
		votes[r.coordinator] = a
		return r.finishAbort(ctx, votes)
	case a.code() == wire.CodeOperationNotFound:
		// It had voted, so the operation is decided, but its decision record is gone: both decisions are possible.
		return r.outcomeForgotten(votes)
	}
	// It refuses without having decided: its disk fails, or it is no longer the coordinator (I8). A refused commit
	// leaves it prepared, so it can still be asked to abort.
	votes[r.coordinator] = a
	return r.abortPhase(ctx, votes)
}

// abortPhase asks the coordinator to abort. Its answer counts: it may have committed already (I1), for example when an
// earlier commit arrived and its answer was lost. Participants are told after it has answered. One that aborted while
// the coordinator commits would break I1.
//
// Before the commit point an abort is always safe. So every failure before it ends here: a missing vote, a cancelled
// run, a coordinator that can't write.
func (r *Driver) abortPhase(ctx context.Context, votes []answer) *Outcome {
	a, known := r.askCoordinator(ctx, r.abort(r.coordinator))
	switch {
	case known && a.refusal == nil && a.op.State == wire.OperationCommitted:
		return r.finishCommit(ctx, a)
	// The abort is durable at the coordinator, also if it never had a vote: a late prepare finds the record.
	case known && (a.refusal == nil || a.code() == wire.CodeOperationAborted):
		return r.finishAbort(ctx, votes)
	case !r.coordinatorVoted && votes[r.coordinator].Class == "" && votes[r.coordinator].code() != codeProtocol:
		// I1: the coordinator refused the vote, so no other manager was asked and no commit was sent at all. This holds
		// even if its disk failed during the vote and shows the vote after a restart: a coordinator that restarts
		// aborts its undecided operations.
		return r.finishAbort(ctx, votes)
	}
	return r.outcomeUnknown(a, votes)
}

// askCoordinator repeats a request until the coordinator answers, and reports whether it did. A missing answer and one
// that contradicts the protocol decide nothing, so after both the request is sent again. Commit and abort can be
// repeated: the coordinator answers a repeated one with its decision. The time is bounded by DecideTimeout, and by
// cancelGrace once ctx has ended; unless ctx has ended, the coordinator is asked twice even if the first answer takes
// all the time.
//
// Prepare is not repeated like this. A vote that did not arrive in time counts as no, and the abort that follows ends
// the operation if the manager has voted.
func (r *Driver) askCoordinator(ctx context.Context, request Request) (answer, bool) {
	limit := r.Clock.Now().Add(r.DecideTimeout)
	ending := ctx.Err() != nil
	live := context.WithoutCancel(ctx) // a cancelled run still has to learn how the operation ended
	if ending {
		limit = r.Clock.Now().Add(min(cancelGrace, r.DecideTimeout))
	}
	waits := newBackoff()
	for again := false; ; again = true {
		a := r.read(request, r.Transport.Send(live, []Request{request}, Send{})[0])
		if a.refusal != nil && a.Class == "" && a.code() != codeProtocol && !a.names() {
			a = r.confirm(live, a)
		}
		// A refusal is an answer too. What it means depends on the request, so the caller decides.
		if a.Class == "" && a.code() != codeProtocol {
			return a, true
		}
		// The run was cancelled while the coordinator was silent. The request may have arrived, so the driver does not
		// stop at once; it waits a little longer for the answer, and reports an unknown outcome without one.
		if !ending && ctx.Err() != nil {
			ending, limit = true, earlier(limit, r.Clock.Now().Add(cancelGrace))
		}
		wait := waits.NextBackOff()
		if (again || ending) && !r.Clock.Now().Add(wait).Before(limit) || r.Clock.Sleep(live, wait) != nil {
			return a, false
		}
	}
}

// confirm asks the coordinator how the operation ended, after a refusal that names neither the operation nor a manager.
// Older managers send such refusals. But it may also come from a server that is no manager, or be the answer to another
// request: a driver that believed it could report a rollback of a committed operation (I1). The status names both the
// operation and the manager. Without a decision in the status, the refusal is returned unchanged if it decides nothing;
// otherwise it counts as no answer.
func (r *Driver) confirm(live context.Context, refused answer) answer {
	q := r.status(r.coordinator)
	a := r.read(q, r.Transport.Send(live, []Request{q}, Send{})[0])
	decides := refused.code() == wire.CodeOperationAborted || refused.code() == wire.CodeOperationNotFound
	switch {
	case a.refusal == nil && a.op.State == wire.OperationCommitted:
		return a
	case a.refusal == nil && a.op.State == wire.OperationAborted:
		a.refusal = wire.RefuseOperationAborted.With(r.Operation.ID)
	case a.refusal == nil && a.op.State == wire.OperationUnknown && decides:
		a.refusal = wire.RefuseOperationNotFound.With(r.Operation.ID)
	case decides:
		a.refusal = invalid(refused.Reply, "refused with %s, and does not confirm it: is a proxy in between?", refused.code())
	default:
		return refused
	}
	return a
}

// finishCommit sends the commit to the other managers, after the coordinator has committed.
func (r *Driver) finishCommit(ctx context.Context, coordinator answer) *Outcome {
	r.show(r.coordinator, coordinator.row(Done, wire.CodeOK, r.Verb))
	return r.sendCommits(ctx)
}

// ResendCommit repeats the commit of a Committed operation to the managers that have not confirmed it. Nothing depends
// on it: they follow by themselves (I5). It lets a caller that can wait report them as done.
func (r *Driver) ResendCommit(ctx context.Context) *Outcome {
	r.shown = 0
	for i, row := range r.rows {
		r.seen[i] = row.Result == Done
	}
	return r.sendCommits(ctx)
}

// sendCommits sends the commit to every manager whose row is not fixed. The operation is committed whatever they
// answer: a silent participant stays prepared and asks the coordinator every 5 s (I4, I5).
func (r *Driver) sendCommits(ctx context.Context) *Outcome {
	var requests []Request
	for i, done := range r.seen {
		if !done {
			requests = append(requests, r.commit(i))
		}
	}
	unconfirmed := 0
	// All at once, whatever Parallel says, and also for a cancelled run: the decision stands, and every manager that
	// learns it now is no longer in doubt.
	r.Transport.Send(context.WithoutCancel(ctx), requests, Send{Parallel: true, Each: func(i int, reply Reply) {
		a := r.read(requests[i], reply)
		if a.refusal == nil {
			r.show(requests[i].To, a.row(Done, wire.CodeOK, r.Verb))
			return
		}
		// Not even a refusal changes the outcome. A participant that voted refuses only if its disk fails, or if it has
		// promised meanwhile to ignore the coordinator (I4); it then follows the coordinator's state.
		unconfirmed++
		row := a.failure()
		row.Hint = "the operation is committed: this manager follows by itself"
		if a.Class == "" && a.code() == codeProtocol {
			row.Hint = fmt.Sprintf("the operation is committed; a manager that has another content takes the coordinator's within a minute, or at once: repair_store(%q)", r.Operation.Store)
		}
		r.show(requests[i].To, row)
	}})
	out := &Outcome{State: Committed, Rows: r.rows}
	out.Summary = fmt.Sprintf("%s: %s on all of %d managers", r.Operation.Store, lower(r.Verb), len(r.rows))
	if unconfirmed > 0 {
		out.Summary = fmt.Sprintf("%s: committed, and %s on %d of %d managers; %s when they answer again",
			r.Operation.Store, lower(r.Verb), len(r.rows)-unconfirmed, len(r.rows), r.named(Failed, "follows by itself", "follow by themselves"))
	}
	return out
}

// finishAbort sends the abort to the other managers, after the coordinator has aborted, or has refused to vote. Those
// that do not receive it are in doubt until they ask the coordinator.
func (r *Driver) finishAbort(ctx context.Context, votes []answer) *Outcome {
	// Managers that refused or did not answer get the abort, too: their vote may be on their disk. Managers that were
	// not asked have no prepared record.
	var requests []Request
	for i, v := range votes {
		if i != r.coordinator && v.Class != NotSent {
			requests = append(requests, r.abort(i))
		}
	}
	live := context.WithoutCancel(ctx)
	unconfirmed := map[int]string{} // they abort when they have asked the coordinator (I5)
	for i, reply := range r.Transport.Send(live, requests, Send{Parallel: true}) {
		if a := r.read(requests[i], reply); a.refusal != nil {
			unconfirmed[requests[i].To] = a.silence()
		}
	}
	out := &Outcome{State: Aborted, Busy: true, Stale: true}
	causes := 0
	var inDoubt []string
	for i, v := range votes {
		row := r.abortedRow(v)
		switch {
		case row.Result == Failed:
			causes++
			out.Busy = out.Busy && row.Code == wire.CodeStoreBusy
			out.Stale = out.Stale && isStale(row.Code)
		case row.Result == RolledBack && unconfirmed[i] != "":
			row.Message = "Confirms it not yet: it " + unconfirmed[i] + "; it rolls back when it has asked the coordinator"
		}
		// A manager that was silent has probably received nothing. One that answered has the vote on its disk, even if
		// the answer was invalid or the vote had another epoch.
		if unconfirmed[i] != "" && (v.refusal == nil || v.Class == "" && v.code() == codeProtocol) {
			inDoubt = append(inDoubt, r.Names[i])
		}
		r.rows[i] = row
	}
	if causes == 0 {
		out.Busy, out.Stale = false, false
	}
	if !out.Busy && !out.Stale { // the caller tries again, so the rows are not final
		r.showAll()
	}
	out.Rows = r.rows
	out.Summary = fmt.Sprintf("%s: rolled back, nothing remains changed on any of %d managers", r.Operation.Store, len(r.rows))
	switch {
	case len(inDoubt) > 3:
		inDoubt = []string{fmt.Sprintf("%d managers", len(inDoubt))}
		fallthrough
	case len(inDoubt) > 0:
		out.Summary = fmt.Sprintf("%s: rolled back, and in doubt at %s until the coordinator is asked there",
			r.Operation.Store, strings.Join(inDoubt, " and "))
	}
	return out
}

// abortedRow returns the row of a manager after an abort: the cause of the abort for a manager that refused or was
// silent, RolledBack for the others.
func (r *Driver) abortedRow(v answer) Row {
	switch {
	case r.isYes(v):
		return v.row(RolledBack, "rolled_back", "Nothing of it remains")
	case v.Class == NotSent:
		return v.row(Skipped, NotSent, v.Message)
	// The manager refused only because it had seen a higher epoch. It did not cause the abort, so its row is that of a
	// manager that voted yes.
	case v.code() == wire.CodeStaleEpoch:
		return v.row(RolledBack, "rolled_back", "Nothing of it remains")
	// A decision instead of a vote is the cause of the abort.
	case v.refusal == nil && v.op.State == wire.OperationAborted:
		return v.row(Failed, wire.CodeOperationAborted, "had aborted the operation already, when it was asked for its vote")
	case v.refusal == nil:
		return v.row(Failed, codeProtocol, fmt.Sprintf("reports the operation as %s when it is asked for its vote", v.op.State))
	}
	return v.failure()
}

// outcomeForgotten returns the outcome for a coordinator that no longer has the decision record. The operation is
// decided, but reporting either decision could be wrong (I1), so the outcome is unknown.
func (r *Driver) outcomeForgotten(votes []answer) *Outcome {
	for i, v := range votes {
		r.rows[i] = v.row(Failed, CodeUnknownOutcome, "unknown outcome: the coordinator has no record of the operation any more: many others of the store came after it, or its disk has lost it")
		r.rows[i].Hint = fmt.Sprintf("look with store_status(%q), then repeat what is missing", r.Operation.Store)
	}
	r.showAll()
	return &Outcome{State: Unknown, Rows: r.rows, Summary: fmt.Sprintf(
		"%s: unknown outcome: the coordinator %s has no record of the operation", r.Operation.Store, r.Names[r.coordinator])}
}

// outcomeUnknown returns the outcome for a coordinator that gives no decision. No participant was told anything (I1):
// the coordinator may have decided either way, and the participants follow its decision when they reach it (I5).
func (r *Driver) outcomeUnknown(coordinator answer, votes []answer) *Outcome {
	for i, v := range votes {
		row := v.row(Failed, CodeUnknownOutcome, "unknown outcome: the managers resolve the operation when the coordinator "+r.Names[r.coordinator]+" answers")
		if i == r.coordinator && coordinator.refusal != nil {
			row = coordinator.failure()
			row.Code = CodeUnknownOutcome
			row.Hint = "the coordinator decides by itself within 30 s, and the others follow; look with store_status"
		}
		r.rows[i] = row
	}
	r.showAll()
	return &Outcome{State: Unknown, Rows: r.rows, Summary: fmt.Sprintf(
		"%s: unknown outcome: the coordinator %s %s; all managers follow it when it answers, and repair_store resolves the operation when it never does",
		r.Operation.Store, r.Names[r.coordinator], coordinator.silence())}
}
