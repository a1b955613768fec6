package model

import (
	"fmt"
)

// result is the result of an exploration.
type result struct {
	states, transitions int
	broken              string   // the invariant that broke, or ""
	trace               []string // the shortest sequence of steps to the state that breaks it
	seen                outcomes
}

// outcomes records which ends an exploration reached. A model in which nothing can happen proves nothing.
type outcomes struct {
	committed uint8 // operations committed at every participant
	aborted   uint8 // operations aborted by their coordinator
	replaced  bool  // a replacement completed at every survivor
	discarded bool  // a replacement aborted an operation that only the lost coordinator had committed
	forwarded bool  // a replacement committed at all an operation that some had committed
}

// explore visits every state of the system, breadth first, until an invariant breaks.
func explore(y system) result {
	var start state
	for i := range start.managers {
		start.managers[i].coordinator = -1
	}
	if y.start != nil {
		y.start(&start)
	}
	states, parents := []state{start}, []int32{-1}
	known := map[state]struct{}{start: {}}
	var r result
	for at := 0; at < len(states); at++ {
		w := walk{system: &y, from: states[at]}
		w.emit = func(t state, _ label) {
			r.transitions++
			if _, ok := known[t]; !ok {
				known[t] = struct{}{}
				states, parents = append(states, t), append(parents, int32(at))
			}
		}
		if w.broken = w.check(); w.broken == "" {
			w.note(&r.seen)
			w.next()
		}
		if w.broken != "" {
			r.broken, r.trace = w.broken, y.path(states, parents, at)
			break
		}
	}
	r.states = len(states)
	return r
}

// note adds the outcomes that w.from shows.
func (w *walk) note(seen *outcomes) {
	for o := op(1); int(o) <= w.runners; o++ {
		all := true
		for _, i := range w.of(o).session {
			all = all && w.from.managers[i].everCommitted>>o&1 == 1
		}
		if all {
			seen.committed |= 1 << o
		}
		if w.from.sent[o-1].has(aborted) {
			seen.aborted |= 1 << o
		}
	}
	if w.sessions[0] == 0 {
		return
	}
	ended := true
	for i := range managers {
		if w.sessions[0].has(i) {
			ended = ended && w.from.managers[i].fenced.has(w.lost)
		}
	}
	if ended {
		seen.replaced = true
		here := w.from.managers[w.sessions[0].first()].everCommitted&2 != 0
		there := w.from.managers[w.lost].everCommitted&2 != 0
		seen.discarded = seen.discarded || there && !here
		seen.forwarded = seen.forwarded || there && here
	}
}

// path returns the labels of the steps from the start to the state with index at.
func (y *system) path(states []state, parents []int32, at int) (trace []string) {
	for parents[at] >= 0 {
		from := parents[at]
		var found string
		w := walk{system: y, from: states[from]}
		w.emit = func(t state, l label) {
			if t == states[at] && found == "" {
				found = fmt.Sprintf("%d:%d %s", l.op, l.manager, l.what)
			}
		}
		w.next()
		trace = append([]string{found}, trace...)
		at = int(from)
	}
	return trace
}

// label describes a transition: what happened, at which manager (-1 for none), in which operation (0 for none).
type label struct {
	what    string
	manager int
	op      op
}

// walk enumerates the successors of one state. A transition copies the state, changes the copy, and adds it to the
// successors by calling emit. A transition that breaks an invariant by itself sets broken.
type walk struct {
	*system
	from   state
	emit   func(state, label)
	broken string
}

func (w *walk) breaks(invariant string) {
	if w.broken == "" {
		w.broken = invariant
	}
}

// next adds all successors of w.from.
func (w *walk) next() {
	for o := op(1); int(o) <= w.runners; o++ {
		w.runner(o)
		for i := range managers {
			if m := &w.from.managers[i]; !m.silent {
				w.receive(o, i)
			}
		}
	}
	for i := range managers {
		if !w.from.managers[i].silent {
			w.ownSteps(i)
		}
		w.fault(i)
	}
	for r := range w.sessions {
		if w.sessions[r] != 0 {
			w.repair(r)
		}
	}
}
