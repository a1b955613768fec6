package run

import (
	"sync"

	"dkvrun/runtime"
)

// Checkable is a result that the script has to check if it failed.
type Checkable interface {
	// Unchecked returns the failure that the script has not checked, or nil.
	Unchecked() *UncheckedFailure
	// Checked reports whether Unchecked will return nil from now on.
	Checked() bool
}

// UncheckedFailure describes a failure that the script has not checked.
type UncheckedFailure struct {
	File string
	Line int
	// What is "start_store failed on 1 of 3 instances", Remedy how to check it.
	What, Remedy string
}

// Checklist holds the results of a task that have to be checked, in their order. Several tasks use it.
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
		u.dropChecked()
		u.threshold = 2*len(u.list) + 16
	}
}

// addCancelled notes an action that was cancelled. It counts only if the task is cancelled with it: a script that sets
// a deadline gets the error.
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

// Cancelled returns the failure of the action that was cancelled last, or nil.
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

// dropChecked removes the results that are settled.
func (u *Checklist) dropChecked() {
	var left []Checkable
	for _, f := range u.list {
		if !f.Checked() {
			left = append(left, f)
		}
	}
	u.list = left
}

// First returns the first unchecked failure, or nil.
func (u *Checklist) First() *UncheckedFailure {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dropChecked()
	for _, f := range u.list {
		if p := f.Unchecked(); p != nil {
			return p
		}
	}
	return nil
}

// Empty reports whether none of the results can become an unchecked failure any more.
func (u *Checklist) Empty() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dropChecked()
	return len(u.list) == 0
}

// Join takes over the results that another task has left, once it has ended.
func (u *Checklist) Join(other *Checklist) {
	other.mu.Lock()
	left := other.list
	other.list = nil
	other.mu.Unlock()
	u.Add(left...)
}

// uncheckedError returns the error of a run that ends with an unchecked failure; nil if p is nil.
func uncheckedError(p *UncheckedFailure) error {
	if p == nil {
		return nil
	}
	return &runtime.Error{
		File: p.File, Line: p.Line, Code: "overlooked", Hint: p.Remedy,
		Message: p.What + " and its result was never checked",
	}
}
