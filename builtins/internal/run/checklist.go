package run

import (
	"sync"

	"dkvrun/runtime"
)

// Checkable is a result that the script has to check if it failed.
type Checkable interface {
	// Unchecked returns the failure that the script has not checked, or nil.
	Unchecked() *UncheckedFailure
	// Checked reports whether the result needs no check any more: Unchecked returns nil from now on.
	Checked() bool
}

// UncheckedFailure describes a failure that the script has not checked.
type UncheckedFailure struct {
	File string
	Line int
	// What describes the failure: "start_store failed on 1 of 3 instances". Remedy says how the script checks it.
	What, Remedy string
}

// Checklist holds the results of a task that the script has to check, in order. It is safe for concurrent use.
type Checklist struct {
	mu        sync.Mutex
	list      []Checkable
	threshold int      // the length from which on Add drops checked results
	cancelled *Results // of the last action that was cancelled after it was sent; nil if there is none
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

// addCancelled records an action that was cancelled, if it left an operation in doubt. The record counts only if the
// action's task is cancelled too: a script that set the deadline itself gets an error instead.
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

// dropChecked removes the results that need no check any more.
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

// Empty reports whether no result can be an unchecked failure any more.
func (u *Checklist) Empty() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dropChecked()
	return len(u.list) == 0
}

// Join moves the results of another task, which has ended, into this list.
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
