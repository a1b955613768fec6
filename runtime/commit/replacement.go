package commit

import (
	"context"
	"fmt"
	"slices"

	"dkvrun/runtime/wire"
)

// ReplaceCoordinator replaces a coordinator that is gone for good. First all survivors promise to follow no decision of
// it any more; when all have promised, all get the same decision. It changes nothing unless every survivor is
// connected:
//
//   - A survivor that has not promised would still follow a late commit of the lost coordinator (I8).
//   - A survivor that was not asked may have the only copy of a commit, which has to be carried forward (I1).
//
// Both steps can be repeated, so a replacement that was interrupted is finished by calling it again (I5).
func (r *Recovery) ReplaceCoordinator(ctx context.Context, lost wire.Manager) *Outcome {
	// The three refusals before the first promise change nothing, so the operator can connect the missing manager, or
	// start the lost one, and call again.
	if refused := r.CheckReplacement(lost); refused != nil {
		return refused
	}
	left, _ := r.survivors(lost.Identity)
	if by := r.reachedBy(ctx, left, lost.Identity); by != "" {
		return r.refused(left, fmt.Sprintf("%s answers %s: it is not lost", lost.URL, by))
	}
	// A driver that dies from here on leaves some survivors with a promise. They take no operation and follow no
	// decision of the lost coordinator, until a repeated call finds their promises and completes the replacement.
	promises := r.fence(ctx, left, lost.Identity)
	// The states that decide are those in the answers with the promises, not those of Query: before its promise a
	// survivor could still have taken a commit of the lost coordinator (I1).
	var committed []string
	coordinator := ""
	for _, i := range left {
		s := promises[i]
		if s.refusal != nil { // I8: without every promise nothing is decided
			return r.unfinished(promises, left)
		}
		if s.state.Configuration != nil { // I1: what one survivor has committed is committed at all
			committed = append(committed, s.state.Configuration.LastOperation)
		}
		if s.state.Removed != "" { // a removal is a commit, too
			committed = append(committed, s.state.Removed)
		}
		// The new coordinator has the smallest identity, so that a repeated replacement names the same one. A suspect
		// manager may have lost a vote or a decision (I5), so it can't be the one whose decision counts.
		if me := r.Managers[i].Identity; !s.state.Suspect && (coordinator == "" || me < coordinator) &&
			r.keepsStore(promises, me) {
			coordinator = me
		}
	}
	if len(committed) == 0 { // all prepared operations are aborted, and there is no store
		coordinator = r.Managers[left[0]].Identity
	}
	if coordinator == "" {
		return r.refused(left, "every remaining manager had to fall back to an older catalog: none of them can decide")
	}
	// From here the decision must not stop half way for a cancelled run. If the runner dies between two messages, a
	// repeated call finds the same decision: survivors that have it show the commit as their last operation, or have
	// aborted what no survivor had committed, and no later operation can be committed without the votes of the other
	// survivors, which vote for nothing before they have the decision.
	done := r.ask(context.WithoutCancel(ctx), left, "POST", wire.DecidePath(r.Store),
		wire.DecideRequest{Lost: lost.Identity, Committed: committed, Coordinator: coordinator})
	return r.replaced(done, left, lost)
}

// CheckReplacement returns the outcome of a replacement that what Query has read refuses already, otherwise nil. It
// sends nothing, so that a dry run can call it.
func (r *Recovery) CheckReplacement(lost wire.Manager) *Outcome {
	left, missing := r.survivors(lost.Identity)
	switch {
	case len(missing) > 0:
		return r.refused(left, fmt.Sprintf("%s keeps the store too, and is not connected: all remaining managers have to take part", missing[0].URL))
	case len(left) == 0:
		return r.refused(left, "no other manager keeps it, or waits for a decision of "+lost.URL)
	case !r.replacing(lost.Identity) && r.heard(lost.Identity):
		return r.refused(left, lost.URL+" answers this runner: it is not lost")
	}
	return nil
}

// replacing reports whether a manager has promised to ignore the one that is declared lost.
func (r *Recovery) replacing(lost string) bool {
	for _, s := range r.responses {
		if s.state.Replacing == lost || slices.Contains(s.state.Fenced, lost) {
			return true
		}
	}
	return false
}

// heard reports whether the manager that is declared lost has answered Query. A suspect coordinator can't decide, so it
// does not count.
func (r *Recovery) heard(lost string) bool {
	for i, s := range r.responses {
		if s.refusal == nil && r.Managers[i].Identity == lost && !s.state.Suspect {
			return true
		}
	}
	return false
}

// IsReadOnly reports whether a manager answered Query that it can't read its catalog. It then neither votes nor
// decides, so that it can be declared lost although it answers.
func (r *Recovery) IsReadOnly(identity string) bool {
	for i, s := range r.responses {
		if s.refusal != nil && r.Managers[i].Identity == identity {
			return s.refusal.Code == wire.CodeReadOnly
		}
	}
	return false
}

// keepsStore reports whether a manager keeps the store after the replacement, by the latest configuration of the
// survivors. If no survivor has a configuration, every manager may be the coordinator. A coordinator without the store
// could not compare the base of the next operation (I6).
func (r *Recovery) keepsStore(all map[int]stateReply, identity string) bool {
	var best *wire.Configuration
	for _, s := range all {
		if c := s.state.Configuration; c != nil &&
			(best == nil || c.Epoch > best.Epoch || c.Epoch == best.Epoch && c.Revision > best.Revision) {
			best = c
		}
	}
	return best == nil || slices.ContainsFunc(best.Managers, func(m wire.Manager) bool { return m.Identity == identity })
}

// survivors returns the indexes of the managers other than the lost one, and the managers that are not connected.
// Managers that follow another coordinator are left out: the lost coordinator decides nothing for them. There are such
// managers where two stores of one name were created separately.
func (r *Recovery) survivors(lost string) (left []int, missing []wire.Manager) {
	for _, m := range r.knownManagers() {
		if m.Identity == lost {
			continue
		}
		i := slices.IndexFunc(r.Managers, func(have wire.Manager) bool { return have.Identity == m.Identity })
		switch {
		case i < 0:
			missing = append(missing, m)
		case !hasOtherCoordinator(r.responses[i].state, lost):
			left = append(left, i)
		}
	}
	slices.Sort(left)
	return left, missing
}

// hasOtherCoordinator reports whether a manager's configuration and prepared operation of the name both belong to
// another coordinator than the lost one.
func hasOtherCoordinator(s wire.StoreState, lost string) bool {
	c, p := s.Configuration, s.Prepared
	return (c != nil || p != nil) && (c == nil || c.Coordinator != lost) && (p == nil || p.Coordinator != lost) &&
		s.Replacing == "" && !slices.Contains(s.Fenced, lost)
}

// reachedBy returns who can reach the manager that is declared lost, or "" if none can: a manager whose
// resolve request it answers. Once any manager has promised to ignore it, reachedBy returns "": the replacement
// has to be finished whatever the coordinator answers.
//
// It spares an operator a mistake, and is no proof: a coordinator may be alive and unreachable. What makes a
// replacement safe then is the lease. The survivors wait until the coordinator must have found its lease expired (I8).
func (r *Recovery) reachedBy(ctx context.Context, left []int, lost string) string {
	if r.replacing(lost) {
		return ""
	}
	for i, s := range r.ask(ctx, left, "POST", wire.ResolvePath(r.Store), nil) {
		c := r.responses[i].state.Configuration
		if s.refusal == nil && c != nil && c.Coordinator == lost {
			return "the manager on " + r.Names[i]
		}
	}
	return ""
}

// fence asks all survivors to promise that they follow no decision of the lost coordinator any more (I8). A survivor
// that received an answer from the lost coordinator less than 40 s ago refuses, and is asked again until Timeout.
func (r *Recovery) fence(ctx context.Context, left []int, lost string) map[int]stateReply {
	body := wire.FenceRequest{Lost: lost, Survivors: []string{}}
	for _, i := range left {
		body.Survivors = append(body.Survivors, r.Managers[i].Identity)
	}
	limit := r.Clock.Now().Add(r.Timeout)
	for {
		// Survivors that have promised already promise the same again; only the others can refuse.
		all := r.ask(ctx, left, "POST", wire.FencePath(r.Store), body)
		alive := false
		for _, s := range all {
			alive = alive || s.refusal != nil && s.refusal.Code == wire.CodeCoordinatorAlive
		}
		if !alive || !r.Clock.Now().Add(lastWait).Before(limit) || r.Clock.Sleep(ctx, lastWait) != nil {
			return all
		}
	}
}

// rows returns a row for every manager: row(i) for the survivors, a skipped one for the others.
func (r *Recovery) rows(left []int, row func(i int) Row) []Row {
	rows := make([]Row, len(r.Managers))
	for i := range rows {
		rows[i] = Row{Result: Skipped, Code: NotSent, Message: "not asked: it takes no part in this repair"}
		if slices.Contains(left, i) {
			rows[i] = row(i)
		}
	}
	return rows
}

// DeclaredLost is the message of the row of a connected manager that was declared lost.
const DeclaredLost = "Declared lost: its decisions no longer count"

// bystander returns the row of a connected manager that is no survivor, after a replacement that was carried out:
// nothing was to be done there, so it is no failure.
func (r *Recovery) bystander(i int, lost wire.Manager) Row {
	s := r.responses[i]
	row := answer{Reply: s.Reply}.row(Done, wire.CodeUnchanged, "Keeps nothing of the store")
	switch {
	case r.Managers[i].Identity == lost.Identity:
		row.Message = DeclaredLost
	case hasOtherCoordinator(s.state, lost.Identity):
		row.Message = "Does not follow the lost manager"
	}
	return row
}

// refused returns the outcome of a replacement that was not started.
func (r *Recovery) refused(left []int, why string) *Outcome {
	return &Outcome{State: Refused, Summary: fmt.Sprintf("%s: nothing was changed: %s", r.Store, why), Rows: r.rows(left, func(i int) Row {
		return answer{Reply: r.responses[i].Reply}.row(Failed, wire.CodeCoordinatorAlive, why)
	})}
}

// unfinished returns the outcome when not all survivors have promised to ignore the lost coordinator. Those that have
// take no operation until the replacement is finished. The outcome of prepared operations is still unknown. Promises
// are not taken back: between two messages no manager could tell whether another survivor has acted on them.
func (r *Recovery) unfinished(promises map[int]stateReply, left []int) *Outcome {
	return &Outcome{State: Unknown, Rows: r.rows(left, func(i int) Row {
		if promises[i].refusal != nil {
			return answer{Reply: promises[i].Reply, refusal: promises[i].refusal}.failure()
		}
		return answer{Reply: promises[i].Reply}.row(Failed, wire.CodeReplacementUnfinished, "takes no changes until the repair is finished")
	}), Summary: fmt.Sprintf("%s: nothing is decided yet: not all remaining managers take part; call repair_store again", r.Store)}
}

// replaced returns the outcome after the decision was sent. It is unknown unless all survivors have confirmed the
// decision; the others have promised and can only follow the same decision later (I5).
func (r *Recovery) replaced(done map[int]stateReply, left []int, lost wire.Manager) *Outcome {
	out := &Outcome{State: Committed}
	bad := 0
	out.Rows = r.rows(left, func(i int) Row {
		s := done[i]
		if s.refusal != nil {
			bad++
			return answer{Reply: s.Reply, refusal: s.refusal}.failure()
		}
		message := "Goes on without " + lost.URL
		if c := s.state.Configuration; c != nil {
			message += fmt.Sprintf(", at revision %d", c.Revision)
		}
		return answer{Reply: s.Reply}.row(Done, wire.CodeOK, message)
	})
	for i := range out.Rows {
		if !slices.Contains(left, i) {
			out.Rows[i] = r.bystander(i, lost)
		}
	}
	out.Summary = fmt.Sprintf("%s: goes on without %s on all of %d managers", r.Store, lost.URL, len(left))
	if bad > 0 {
		out.State = Unknown
		out.Summary = fmt.Sprintf("%s: decided at %d of %d managers: call repair_store again to finish it", r.Store, len(left)-bad, len(left))
	}
	return out
}
