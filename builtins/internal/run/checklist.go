package run

import (
	"sync"

	"dkvrun/runtime"
)

// Checkable is something that may have failed and that a script has to look at if it did.
type Checkable interface {
	// Unchecked is what nobody has looked at, nil where there is nothing (yet).
	Unchecked() *UncheckedFailure
	// Settled tells whether nothing can come of it any more.
	Settled() bool
}

// UncheckedFailure is a failure that nothing has looked at.
type UncheckedFailure struct {
	File string
	Line int
	// What is "start_store failed on 1 of 3 instances", remedy how to look at it.
	What, Remedy string
}

// Checklist holds a task's findings, in their order. Other tasks look at them too.
type Checklist struct {
	mu        sync.Mutex
	list      []Checkable
	threshold int      // how many there may be before those that are settled are taken out
	cancelled *Results // of an action that was cancelled after it had been sent
}

func (u *Checklist) Add(f ...Checkable) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, f...)
	if len(u.list) > u.threshold {
		u.dropSettled()
		u.threshold = 2*len(u.list) + 16
	}
}

// addCancelled notes an action that was cancelled. It only counts where the task is cut off with it: a script that
// sets a deadline gets its error.
func (u *Checklist) addCancelled(r *Results) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, row := range r.rows {
		if row.InDoubt {
			u.cancelled = r
			return
		}
	}
}

// Cancelled is the action that was cancelled last, nil where there is none.
func (u *Checklist) Cancelled() *UncheckedFailure {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cancelled == nil {
		return nil
	}
	return &UncheckedFailure{
		File: u.cancelled.file, Line: u.cancelled.line, What: u.cancelled.builtin + " was cut off with its task",
	}
}

// dropSettled takes out what is settled.
func (u *Checklist) dropSettled() {
	var left []Checkable
	for _, f := range u.list {
		if !f.Settled() {
			left = append(left, f)
		}
	}
	u.list = left
}

// First is the first problem, nil where there is none.
func (u *Checklist) First() *UncheckedFailure {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dropSettled()
	for _, f := range u.list {
		if p := f.Unchecked(); p != nil {
			return p
		}
	}
	return nil
}

// Empty tells whether nothing in it can become a problem any more.
func (u *Checklist) Empty() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dropSettled()
	return len(u.list) == 0
}

// Join takes over what another task has left unseen, once it has ended.
func (u *Checklist) Join(other *Checklist) {
	other.mu.Lock()
	left := other.list
	other.list = nil
	other.mu.Unlock()
	u.Add(left...)
}

// overlooked is the error of a run that ends with a problem, nil where there is none.
func overlooked(p *UncheckedFailure) error {
	if p == nil {
		return nil
	}
	return &runtime.Error{
		File: p.File, Line: p.Line, Code: "overlooked", Hint: p.Remedy,
		Message: p.What + ", and nothing looked at it",
	}
}
