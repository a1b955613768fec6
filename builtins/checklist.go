package builtins

import (
	"fmt"
	"sync"

	"dkvrun/runtime"
)

// finding is something that may have failed and that a script has to look at if it did.
type finding interface {
	// problem is what nobody has looked at, nil where there is nothing (yet).
	problem() *problem
	// settled tells whether nothing can come of it any more.
	settled() bool
}

// problem is a failure that nothing has looked at.
type problem struct {
	file string
	line int
	// what is "start_store failed on 1 of 3 instances", remedy how to look at it.
	what, remedy string
}

// unseen holds a task's findings, in their order. Other tasks look at them too.
type unseen struct {
	mu   sync.Mutex
	list []finding
	tidy int      // how many there may be before those that are settled are taken out
	last *Results // of an action that was cancelled after it had been sent
}

func (u *unseen) add(f ...finding) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, f...)
	if len(u.list) > u.tidy {
		u.forget()
		u.tidy = 2*len(u.list) + 16
	}
}

// cut notes an action that was cancelled. It only counts where the task is cut off with it: a script that
// sets a deadline gets its error.
func (u *unseen) cut(r *Results) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, row := range r.rows {
		if row.InDoubt {
			u.last = r
			return
		}
	}
}

// cutOff is the action that was cancelled last, nil where there is none.
func (u *unseen) cutOff() *Results {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}

// forget takes out what is settled.
func (u *unseen) forget() {
	var left []finding
	for _, f := range u.list {
		if !f.settled() {
			left = append(left, f)
		}
	}
	u.list = left
}

// first is the first problem, nil where there is none.
func (u *unseen) first() *problem {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget()
	for _, f := range u.list {
		if p := f.problem(); p != nil {
			return p
		}
	}
	return nil
}

// empty tells whether nothing in it can become a problem any more.
func (u *unseen) empty() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget()
	return len(u.list) == 0
}

// join takes over what another task has left unseen, once it has ended.
func (u *unseen) join(other *unseen) {
	other.mu.Lock()
	left := other.list
	other.list = nil
	other.mu.Unlock()
	u.add(left...)
}

// asOverlooked is the error of a run that ends with a problem, nil where there is none.
func asOverlooked(p *problem) error {
	if p == nil {
		return nil
	}
	return &runtime.Error{
		File: p.file, Line: p.line, Code: "overlooked", Hint: p.remedy,
		Message: p.what + ", and nothing looked at it",
	}
}

// mayAct refuses an action while an earlier failure stands that nothing has looked at: a script that
// doesn't look must not go on as if all were well.
func (r *Run) mayAct(c *runtime.Call) error {
	if r.KeepGoing {
		return nil
	}
	before := r.Scope(c).unseen.first()
	if before == nil {
		return nil
	}
	return &runtime.Error{
		File: before.file, Line: before.line, Code: "overlooked", Hint: before.remedy,
		Message: fmt.Sprintf("%s, and nothing looked at it: not running %s (line %d)", before.what, c.Name, c.Line),
	}
}
