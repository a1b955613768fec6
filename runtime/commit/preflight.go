package commit

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"dkvrun/runtime/wire"
)

// preflight sends a dry-run prepare to all managers at once, which writes nothing. It returns the highest epoch that
// any of them has seen, or an outcome with all objections. It is no vote: managers check everything again at prepare
// (I6).
//
// It lets users see all objections at once, and finds the epoch. Without it the protocol would be as safe: an operation
// that a manager objects to would be aborted, after votes had locked the store for a moment.
func (r *Driver) preflight(ctx context.Context) (epoch uint64, refused *Outcome) {
	r.encode(true)
	var requests []Request
	for i := range r.Operation.Managers {
		requests = append(requests, r.prepare(i))
	}
	answers := make([]answer, len(requests))
	for i, reply := range r.Transport.Send(ctx, requests, Send{Parallel: true}) {
		answers[i] = r.read(requests[i], reply)
	}
	// Nothing reserves this epoch. Another driver may choose the same one; the manager that sees it second refuses it
	// as stale, and collectVotes goes on above it.
	epoch = highestEpoch(answers)
	failed := map[int]Row{}
	for i, a := range answers {
		if a.refusal != nil {
			failed[i] = a.failure()
		}
	}
	// Claims are compared only if all have answered: a node that a silent manager owns would look unclaimed.
	if len(failed) == 0 {
		failed = r.checkClaims(answers)
	}
	if len(failed) == 0 {
		return epoch, nil
	}
	// Nothing is written anywhere, so nothing has to be aborted. Busy and Stale stay set if all objections are of that
	// kind: then the caller may try again, later or on the store's present configuration.
	out := &Outcome{State: Refused, Busy: true, Stale: true}
	for i, a := range answers {
		row, bad := failed[i]
		if !bad {
			row = a.row(Skipped, NotSent, fmt.Sprintf("nothing was changed, since %s", r.objection(ctx, failed)))
		} else {
			out.Busy = out.Busy && row.Code == wire.CodeStoreBusy
			out.Stale = out.Stale && isStale(row.Code)
		}
		r.rows[i] = row
	}
	if !out.Busy && !out.Stale {
		r.showAll()
	}
	out.Rows = r.rows
	out.Summary = fmt.Sprintf("%s: nothing was changed on any of %d managers: %s", r.Operation.Store, len(r.rows), r.objection(ctx, failed))
	return 0, out
}

// isStale reports whether a refusal says that the store is no longer what the operation builds on, or is about to be
// changed: the caller then plans anew.
func isStale(code string) bool {
	switch code {
	case wire.CodeStaleRevision, wire.CodeStoreExists, wire.CodeStoreNotFound, wire.CodeStoreBusy:
		return true
	}
	return false
}

// highestEpoch returns the highest epoch of the answers. An answer whose epoch is wire.EpochStep or more above the
// lowest becomes a refusal: no operation can have reached it, and the other managers would refuse an epoch above it.
func highestEpoch(answers []answer) (epoch uint64) {
	lowest := uint64(math.MaxUint64)
	// Distances are measured from the lowest: one faulty manager can push the highest up as far as it likes.
	for _, a := range answers {
		if a.refusal == nil {
			lowest = min(lowest, a.op.Epoch)
		}
	}
	for i := range answers {
		a := &answers[i]
		switch {
		case a.refusal != nil:
		case a.op.Epoch-lowest >= wire.EpochStep:
			a.refusal = &wire.Result{StatusCode: a.Status, Code: codeProtocol, Message: fmt.Sprintf("reports epoch %d, which no operation can have reached: others have seen %d", a.op.Epoch, lowest)}
		default:
			epoch = max(epoch, a.op.Epoch)
		}
	}
	return epoch
}

// showAll makes all rows final and passes them to OnRow.
func (r *Driver) showAll() {
	for i := range r.rows {
		r.show(i, r.rows[i])
	}
}

// objection names the managers that refused or did not answer, or says that the run was stopped before they answered.
func (r *Driver) objection(ctx context.Context, failed map[int]Row) string {
	var names []string
	answered := false
	for i, name := range r.Names {
		if row, bad := failed[i]; bad {
			names = append(names, name)
			answered = answered || row.Status != 0
		}
	}
	who := strings.Join(names, " and ")
	if len(names) > 3 {
		who = fmt.Sprintf("%d managers", len(names))
	}
	if ctx.Err() != nil && !answered {
		return "the run was stopped before " + who + " answered"
	}
	return who + " did not agree"
}

// checkClaims returns a failed row for each new node that no manager claims as a node of its host, or more than one.
// Each manager decides by itself which nodes are its own, and sees no claims but these, so only the driver can find
// that. If the operation were committed, a node without an owner would run nowhere, and one with two owners would run
// twice as the same member.
func (r *Driver) checkClaims(answers []answer) map[int]Row {
	failed := map[int]Row{}
	for _, name := range r.Claimed {
		var by []int
		for i, a := range answers {
			if slices.Contains(a.op.Claims, name) {
				by = append(by, i)
			}
		}
		switch len(by) {
		case 1:
		case 0:
			// The row of the manager that the node was planned for, or the first one.
			n := r.node(name)
			i := max(0, slices.Index(r.Names, n.Manager))
			failed[i] = answers[i].row(Failed, wire.CodeNotThisHost,
				fmt.Sprintf("%s is on %s, which no manager has as its host: name the server as its manager does (--advertise)", name, n.Host))
		default:
			for _, i := range by {
				failed[i] = answers[i].row(Failed, wire.CodeNotThisHost,
					fmt.Sprintf("both %s and %s have the host of %s (%s) as theirs: name each server by a different address", r.Names[by[0]], r.Names[by[1]], name, r.node(name).Host))
			}
		}
	}
	return failed
}

// node returns the node with a name, which is one of the operation's.
func (r *Driver) node(name string) wire.Node {
	i := slices.IndexFunc(r.Operation.Nodes, func(n wire.Node) bool { return n.Name == name })
	return r.Operation.Nodes[i]
}

// planned returns the outcome of a dry run without objections.
func (r *Driver) planned() *Outcome {
	for i := range r.rows {
		r.show(i, Row{Result: Planned, Code: "planned", Status: 200, Attempts: 1})
	}
	return &Outcome{State: DryRun, Rows: r.rows, Summary: fmt.Sprintf("%s: nothing was changed: this was a dry run", r.Operation.Store)}
}
