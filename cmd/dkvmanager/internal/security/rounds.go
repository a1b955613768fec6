package security

import (
	"sync"
	"time"
)

const (
	// maxAwait bounds how long a request waits for lines of the access log.
	maxAwait = 2 * time.Second
	// maxAwaiting is the largest number of requests that wait for lines at a time; further ones are judged at once.
	maxAwaiting = 64
)

// rounds counts the rounds in which the manager asks the others for lines of the access log, one at a time, so that
// requests can wait for one.
type rounds struct {
	mu           sync.Mutex
	begun, ended int
	waiting      int
	changed      chan struct{} // closed when lines have come or a round has ended; nil if nobody waits
}

// begin notes that a round begins, end that it has ended.
func (r *rounds) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun++
}

func (r *rounds) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = r.begun
	r.tell()
}

// tell wakes the requests that wait. The lock is held.
func (r *rounds) tell() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// news wakes the requests that wait: lines have come.
func (r *rounds) news() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell()
}

// enter counts a request that waits, and returns the number of the last round that doesn't count for it, since it has
// begun before. It returns false if too many wait, or if the manager asks nobody.
func (r *rounds) enter() (before int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun == 0 || r.waiting >= maxAwaiting {
		return 0, false
	}
	r.waiting++
	return r.begun, true
}

func (r *rounds) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
}

// next returns a channel that is closed at the next news; nil if a round after the given one has ended.
func (r *rounds) next(after int) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended > after {
		return nil
	}
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}
