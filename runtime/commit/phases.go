package commit

import (
	"context"
	"fmt"

	"dkvrun/runtime/wire"
)

// runPhases has all managers vote, the coordinator first, and then the coordinator decide.
func (r *Driver) runPhases(ctx context.Context) *Outcome {
	stop := r.Clock.Every(wire.RenewEvery, func() {
		// Whether it still stands is what the commit says.
		r.Transport.Send(ctx, []Request{r.renew()}, Send{})
	})
	defer stop()
	votes, all := r.collectVotes(ctx)
	if all && ctx.Err() == nil { // I1, I4: commit only with every vote, all of one epoch
		return r.commitPhase(ctx, votes)
	}
	return r.abortPhase(ctx, votes)
}

// collectVotes asks for every vote. When a manager has seen a higher epoch all are asked again, above that.
func (r *Driver) collectVotes(ctx context.Context) (collectVotes []answer, all bool) {
	for range maxPrepareRounds {
		r.encode(false)
		collectVotes = make([]answer, len(r.Operation.Managers))
		for i := range collectVotes {
			collectVotes[i] = read(Reply{Class: NotSent, Message: "not asked: the change was given up before it"})
		}
		first := r.prepare(r.coordinator)
		collectVotes[r.coordinator] = r.read(first, r.Transport.Send(ctx, []Request{first}, Send{})[0])
		if r.isYes(collectVotes[r.coordinator]) {
			r.coordinatorVoted = true
			requests := r.others(r.prepare)
			how := Send{Parallel: r.Parallel, FailFast: r.FailFast, Failed: func(reply Reply) bool { return !r.isYes(read(reply)) }}
			for i, reply := range r.Transport.Send(ctx, requests, how) {
				collectVotes[requests[i].To] = r.read(requests[i], reply)
			}
		}
		all = true
		higher := uint64(0)
		for _, v := range collectVotes {
			all = all && r.isYes(v)
			if v.code() == wire.CodeStaleEpoch && v.refusal.Epoch < r.Operation.Epoch+wire.EpochStep {
				higher = max(higher, v.refusal.Epoch)
			}
		}
		if all || higher == 0 {
			break
		}
		r.Operation.Epoch = higher + 1
	}
	return collectVotes, all
}

// isYes reports whether an answer is a vote for the change as it stands.
func (r *Driver) isYes(a answer) bool {
	return a.refusal == nil && a.op.State == wire.OperationPrepared && a.op.Epoch == r.Operation.Epoch
}

// commitPhase has the coordinator commit. Whatever it answers then holds.
func (r *Driver) commitPhase(ctx context.Context, votes []answer) *Outcome {
	a, known := r.askCoordinator(ctx, r.commit(r.coordinator))
	switch {
	case !known:
		return r.outcomeUnknown(a, votes)
	case a.refusal == nil && a.op.State == wire.OperationCommitted:
		return r.finishCommit(ctx, a)
	case a.code() == wire.CodeOperationAborted:
		votes[r.coordinator] = a
		return r.finishAbort(ctx, votes)
	case a.code() == wire.CodeOperationNotFound: // it had voted
		return r.outcomeForgotten(votes)
	}
	votes[r.coordinator] = a // it can't: its disk refuses, or it is no longer the coordinator
	return r.abortPhase(ctx, votes)
}

// abortPhase has the coordinator drop the change, unless it has committed it after all.
func (r *Driver) abortPhase(ctx context.Context, votes []answer) *Outcome {
	a, known := r.askCoordinator(ctx, r.abort(r.coordinator))
	switch {
	case known && a.refusal == nil && a.op.State == wire.OperationCommitted:
		return r.finishCommit(ctx, a)
	case known && a.refusal == nil:
		return r.finishAbort(ctx, votes)
	case !r.coordinatorVoted && votes[r.coordinator].Class == "" && votes[r.coordinator].code() != "protocol":
		// It never voted, so nobody else was asked. Even where its disk failed in the middle of the vote and
		// shows it after a restart, a coordinator drops then what it holds.
		return r.finishAbort(ctx, votes)
	}
	return r.outcomeUnknown(a, votes)
}

// askCoordinator repeats a message to the home until it is answered: what it says decides, and nothing else does.
// Once ctx has ended, it has a short while left.
func (r *Driver) askCoordinator(ctx context.Context, request Request) (answer, bool) {
	limit := r.Clock.Now().Add(r.DecideTimeout)
	ending := ctx.Err() != nil
	live := context.WithoutCancel(ctx)
	if ending {
		limit = r.Clock.Now().Add(min(cancelGrace, r.DecideTimeout))
	}
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		a := r.read(request, r.Transport.Send(live, []Request{request}, Send{})[0])
		if a.Class == "" && a.code() != "protocol" {
			return a, true
		}
		if !ending && ctx.Err() != nil {
			ending, limit = true, earlier(limit, r.Clock.Now().Add(cancelGrace))
		}
		if !r.Clock.Now().Add(wait).Before(limit) || r.Clock.Sleep(live, wait) != nil {
			return a, false
		}
	}
}

// finishCommit tells the others that the change is committed.
func (r *Driver) finishCommit(ctx context.Context, coordinator answer) *Outcome {
	r.show(r.coordinator, coordinator.row(Done, wire.CodeOK, r.Verb))
	return r.sendCommits(ctx)
}

// ResendCommit tells a change that is Made to those that have not said that they took it.
func (r *Driver) ResendCommit(ctx context.Context) *Outcome {
	r.shown = 0
	for i, row := range r.rows {
		r.seen[i] = row.Result == Done
	}
	return r.sendCommits(ctx)
}

func (r *Driver) sendCommits(ctx context.Context) *Outcome {
	var requests []Request
	for i, done := range r.seen {
		if !done {
			requests = append(requests, r.commit(i))
		}
	}
	follow := 0
	r.Transport.Send(context.WithoutCancel(ctx), requests, Send{Parallel: true, Each: func(i int, reply Reply) {
		a := r.read(requests[i], reply)
		if a.refusal == nil {
			r.show(requests[i].To, a.row(Done, wire.CodeOK, r.Verb))
			return
		}
		follow++
		row := a.failure()
		row.Hint = "the change is committed: this manager follows by itself"
		r.show(requests[i].To, row)
	}})
	out := &Outcome{State: Committed, Rows: r.rows}
	out.Summary = fmt.Sprintf("%s: %s on all of %d managers", r.Operation.Store, lower(r.Verb), len(r.rows))
	if follow > 0 {
		out.Summary = fmt.Sprintf("%s: committed, and %s on %d of %d managers; %s when they answer again",
			r.Operation.Store, lower(r.Verb), len(r.rows)-follow, len(r.rows), r.named(Failed, "follows by itself", "follow by themselves"))
	}
	return out
}

// finishAbort tells the others that the change is dropped.
func (r *Driver) finishAbort(ctx context.Context, votes []answer) *Outcome {
	var requests []Request
	for i, v := range votes {
		if i != r.coordinator && v.Class != NotSent {
			requests = append(requests, r.abort(i))
		}
	}
	live := context.WithoutCancel(ctx)
	later := map[int]bool{} // dropped when they have asked the coordinator
	for i, reply := range r.Transport.Send(live, requests, Send{Parallel: true}) {
		if a := r.read(requests[i], reply); a.refusal != nil {
			later[requests[i].To] = true
		}
	}
	out := &Outcome{State: Aborted, Busy: true}
	causes := 0
	for i, v := range votes {
		row := r.abortedRow(v)
		switch {
		case row.Result == Failed:
			causes++
			out.Busy = out.Busy && row.Code == wire.CodeStoreBusy
		case row.Result == RolledBack && later[i]:
			row.Message = "Does not answer any more; it drops the change when it has asked its home"
		}
		r.rows[i] = row
	}
	if causes == 0 {
		out.Busy = false
	}
	if !out.Busy {
		r.showAll()
	}
	out.Rows = r.rows
	out.Summary = fmt.Sprintf("%s: nothing stays changed on any of %d managers", r.Operation.Store, len(r.rows))
	return out
}

// abortedRow is the row of a manager after the change was dropped.
func (r *Driver) abortedRow(v answer) Row {
	switch {
	case r.isYes(v):
		return v.row(RolledBack, "rolled_back", "Nothing of it stays")
	case v.Class == NotSent:
		return v.row(Skipped, NotSent, v.Message)
	case v.refusal == nil || v.code() == wire.CodeStaleEpoch:
		return v.row(RolledBack, "rolled_back", "Nothing of it stays")
	}
	return v.failure()
}

// outcomeForgotten ends without knowing: the change is over, and its coordinator has forgotten how it ended.
func (r *Driver) outcomeForgotten(votes []answer) *Outcome {
	for i, v := range votes {
		r.rows[i] = v.row(Failed, CodeUnknownOutcome, "whether the change was made is not known any more: many others of the store came after it, or the home's disk has lost it")
		r.rows[i].Hint = fmt.Sprintf("look with store_status(%q), then make what is missing", r.Operation.Store)
	}
	r.showAll()
	return &Outcome{State: Unknown, Rows: r.rows, Summary: fmt.Sprintf(
		"%s: not known whether changed: %s, which decides, does not remember the change", r.Operation.Store, r.Names[r.coordinator])}
}

// outcomeUnknown ends without knowing. Nobody was told anything but the coordinator.
func (r *Driver) outcomeUnknown(coordinator answer, votes []answer) *Outcome {
	for i, v := range votes {
		row := v.row(Failed, CodeUnknownOutcome, "whether the change is made is not known: the managers settle it when "+r.Names[r.coordinator]+" answers")
		if i == r.coordinator && coordinator.refusal != nil {
			row = coordinator.failure()
			row.Code = CodeUnknownOutcome
			row.Hint = "it decides by itself within 30 s, and the others follow; look with store_status"
		}
		r.rows[i] = row
	}
	r.showAll()
	return &Outcome{State: Unknown, Rows: r.rows, Summary: fmt.Sprintf(
		"%s: not known whether changed: %s, which decides, does not answer; all managers follow it when it does, and repair_store settles it when it never does",
		r.Operation.Store, r.Names[r.coordinator])}
}
