package security

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"dkvrun/runtime/identity"
)

// awaiting calls Await, and returns the number of calls of judge, and a channel that is closed when Await has returned.
func awaiting(ctx context.Context, m *Member, judge func() bool) (judged *atomic.Int64, done chan struct{}) {
	judged, done = new(atomic.Int64), make(chan struct{})
	go func() {
		defer close(done)
		m.Await(ctx, func() bool { judged.Add(1); return judge() })
	}()
	return judged, done
}

// ended reports whether a channel is closed before a deadline that is much longer than what is waited for, and shorter
// than maxAwait.
func ended(done chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-time.After(maxAwait / 2):
		return false
	}
}

// A request of somebody unknown waits for a round that begins after it, and no longer, or until the lines come.
func TestMember_Await(t *testing.T) {
	c := newClock()
	first := create(t, c)
	never := func() bool { return false }
	if judged, done := awaiting(t.Context(), first, never); !ended(done) || judged.Load() != 0 {
		t.Error("the only member waits")
	}
	token := must(first.Token(2, time.Hour, ""))
	dir := t.TempDir()
	must(0, join(dir, "s-1", first, token, false))
	second := open(t, dir, "s-1", c)
	if _, done := awaiting(t.Context(), second, never); !ended(done) {
		t.Error("a manager that asks nobody waits")
	}
	endEarlier := second.BeginRound()
	select {
	case <-second.Strangers():
		t.Error("a round is called for by whoever doesn't wait")
	default:
	}

	_, done := awaiting(t.Context(), second, never)
	<-second.Strangers() // it waits
	endEarlier()
	select {
	case <-done:
		t.Fatal("a round that began before the request counts")
	default:
	}
	endLater := second.BeginRound()
	endLater()
	if !ended(done) {
		t.Error("the round that was called for has ended, and the request waits on")
	}

	user := must(first.Credential("ci", identity.Operator, time.Hour))
	known := func() bool {
		caller, err := second.Caller(must(second.Admit(user.Chain)))
		return !IsUnknown(caller, err)
	}
	_, done = awaiting(t.Context(), second, known)
	<-second.Strangers()
	endLater = second.BeginRound()
	must(0, second.Pull(first.Access(), first.Lines))
	if !ended(done) {
		t.Error("the lines have come, and the request waits for the end of the round")
	}
	endLater()

	ctx, cancel := context.WithCancel(t.Context())
	_, done = awaiting(ctx, second, never)
	cancel()
	if !ended(done) {
		t.Error("the request waits after its client has gone")
	}
}

// No more than 64 requests wait.
func TestMember_AwaitIsBounded(t *testing.T) {
	c := newClock()
	first := create(t, c)
	token := must(first.Token(1, time.Hour, ""))
	must(0, join(t.TempDir(), "s-1", first, token, false))
	first.BeginRound()()
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan struct{})
	var all []chan struct{}
	for range maxAwaiting {
		_, done := awaiting(ctx, first, func() bool { waits <- struct{}{}; return false })
		<-waits
		all = append(all, done)
	}
	if judged, done := awaiting(ctx, first, func() bool { return false }); !ended(done) || judged.Load() != 0 {
		t.Error("one more waits")
	}
	cancel()
	for _, done := range all {
		if !ended(done) {
			t.Fatal("a request waits on after its client has gone")
		}
	}
}
