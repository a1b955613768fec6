package commit

import (
	"context"
	"fmt"
	"slices"

	"dkvrun/runtime/wire"
)

// ReplaceCoordinator lets a store go on whose coordinator is gone for good: all that are left fence it, and when all
// have, they decide. Nothing is done while one that is left is not connected.
func (r *Recovery) ReplaceCoordinator(ctx context.Context, lost wire.Manager) *Outcome {
	left, missing := r.survivors(lost.Identity)
	if len(missing) > 0 {
		return r.refused(left, fmt.Sprintf("%s keeps the store too, and is not connected: all that are left have to take part", missing[0].URL))
	}
	if len(left) == 0 {
		return r.refused(left, "no other manager keeps it, or waits for what "+lost.URL+" decides")
	}
	if by := r.reachedBy(ctx, left, lost.Identity); by != "" {
		return r.refused(left, fmt.Sprintf("%s answers %s: it is not lost", lost.URL, by))
	}
	fenced := r.fence(ctx, left, lost.Identity)
	var committed []string
	coordinator := ""
	for _, i := range left {
		s := fenced[i]
		if s.refusal != nil {
			return r.unfinished(fenced, left)
		}
		if s.state.Configuration != nil {
			committed = append(committed, s.state.Configuration.LastOperation)
		}
		if me := r.Managers[i].Identity; !s.state.Suspect && (coordinator == "" || me < coordinator) && r.keepsStore(fenced, me) {
			coordinator = me
		}
	}
	if len(committed) == 0 { // no store comes of it
		coordinator = r.Managers[left[0]].Identity
	}
	if coordinator == "" {
		return r.refused(left, "every manager that is left had to fall back to an older catalog: none of them can decide")
	}
	done := r.ask(context.WithoutCancel(ctx), left, "POST", wire.DecidePath(r.Store), wire.DecideRequest{Lost: lost.Identity, Committed: committed, Coordinator: coordinator})
	return r.replaced(done, left, lost)
}

// keepsStore reports whether a manager keeps the store after the repair: by the latest of what those that are
// left have, or, where none has it, by what they hold.
func (r *Recovery) keepsStore(all map[int]stateReply, identity string) bool {
	var best *wire.Configuration
	for _, s := range all {
		if c := s.state.Configuration; c != nil && (best == nil || c.Epoch > best.Epoch || c.Epoch == best.Epoch && c.Revision > best.Revision) {
			best = c
		}
	}
	return best == nil || slices.ContainsFunc(best.Managers, func(m wire.Manager) bool { return m.Identity == identity })
}

// survivors are the places of the managers that are left, and those among them that are not connected. One
// that is with another coordinator by now waits for nothing that the lost one decides.
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

// hasOtherCoordinator reports whether all that a manager has of the name is another coordinator's.
func hasOtherCoordinator(s wire.StoreState, lost string) bool {
	c, p := s.Configuration, s.Prepared
	return (c != nil || p != nil) && (c == nil || c.Coordinator != lost) && (p == nil || p.Coordinator != lost) &&
		s.Replacing == "" && !slices.Contains(s.Fenced, lost)
}

// reachedBy says who gets an answer of a manager that is said to be lost. Once any manager has fenced it,
// the repair is to be finished whatever it answers.
func (r *Recovery) reachedBy(ctx context.Context, left []int, lost string) string {
	for _, s := range r.responses {
		if s.state.Replacing == lost || slices.Contains(s.state.Fenced, lost) {
			return ""
		}
	}
	for i, s := range r.responses {
		if s.refusal == nil && r.Managers[i].Identity == lost && !s.state.Suspect { // that one can't decide
			return "this runner"
		}
	}
	for i, s := range r.ask(ctx, left, "POST", wire.ResolvePath(r.Store), nil) {
		c := r.responses[i].state.Configuration
		if s.refusal == nil && c != nil && c.Coordinator == lost {
			return "the manager on " + r.Names[i]
		}
	}
	return ""
}

// fence has all that are left fence the lost coordinator. One that has heard of it lately is asked again.
func (r *Recovery) fence(ctx context.Context, left []int, lost string) map[int]stateReply {
	body := wire.FenceRequest{Lost: lost, Survivors: []string{}}
	for _, i := range left {
		body.Survivors = append(body.Survivors, r.Managers[i].Identity)
	}
	limit := r.Clock.Now().Add(r.Timeout)
	for {
		all := r.ask(ctx, left, "POST", wire.FencePath(r.Store), body)
		heard := false
		for _, s := range all {
			heard = heard || s.refusal != nil && s.refusal.Code == wire.CodeCoordinatorAlive
		}
		if !heard || !r.Clock.Now().Add(lastWait).Before(limit) || r.Clock.Sleep(ctx, lastWait) != nil {
			return all
		}
	}
}

// rows has a row for every manager: row's for those that are left, and one that says that it is not asked.
func (r *Recovery) rows(left []int, row func(i int) Row) []Row {
	rows := make([]Row, len(r.Managers))
	for i := range rows {
		rows[i] = Row{Result: Skipped, Code: NotSent, Message: "not asked: it has no part in this repair"}
		if slices.Contains(left, i) {
			rows[i] = row(i)
		}
	}
	return rows
}

func (r *Recovery) refused(left []int, why string) *Outcome {
	return &Outcome{State: Refused, Summary: fmt.Sprintf("%s: nothing was changed: %s", r.Store, why), Rows: r.rows(left, func(i int) Row {
		return answer{Reply: r.responses[i].Reply}.row(Failed, wire.CodeCoordinatorAlive, why)
	})}
}

func (r *Recovery) unfinished(fenced map[int]stateReply, left []int) *Outcome {
	return &Outcome{State: Unknown, Rows: r.rows(left, func(i int) Row {
		if fenced[i].refusal != nil {
			return answer{Reply: fenced[i].Reply, refusal: fenced[i].refusal}.failure()
		}
		return answer{Reply: fenced[i].Reply}.row(Failed, wire.CodeReplacementUnfinished, "takes no changes until the repair is ended")
	}), Summary: fmt.Sprintf("%s: nothing is decided yet: not all managers that are left take part; call repair_store again", r.Store)}
}

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
	out.Summary = fmt.Sprintf("%s: goes on without %s on all of %d managers", r.Store, lost.URL, len(left))
	if bad > 0 {
		out.State = Unknown
		out.Summary = fmt.Sprintf("%s: decided at %d of %d managers: call repair_store again to end it", r.Store, len(left)-bad, len(left))
	}
	return out
}
