package security

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// Access returns what this manager has of the access log.
func (m *Member) Access() wire.Access {
	out := wire.Access{Cluster: m.self.Cluster, Managers: append([]wire.Manager{}, m.Managers()...)}
	out.Roots = certificates(m.ring().roots)
	for _, h := range m.log.Heads() {
		out.Heads = append(out.Heads, wire.AccessHead{Number: h.Number, Hash: h.Hash.String()})
	}
	return out
}

// ErrUnknownHead is the error of Lines for a branch that this manager doesn't have, or has no more.
var ErrUnknownHead = errors.New("the access log has no branch with this line")

// Lines returns lines of the access log or of the branch that has the line with a hash, from a number on.
func (m *Member) Lines(head string, from int64) ([]byte, error) {
	var h access.Hash
	if err := h.UnmarshalText([]byte(head)); err != nil {
		return nil, err
	}
	lines, known := m.log.Lines(h, from)
	if !known {
		return nil, ErrUnknownHead
	}
	return lines, nil
}

// Append adds a line that an admin, or the authority, has signed, and returns the URI of whom it is about, or "". A
// line that isn't accepted is a *TokenError.
func (m *Member) Append(line string) (subject string, err error) {
	e, err := m.log.Append([]byte(line), m.now())
	var refused *access.LineError
	if errors.As(err, &refused) {
		err = &TokenError{err}
	}
	return e.Subject, err
}

// Pull takes what another manager has of the access log, which it stated in an answer. Fetch returns its lines, as its
// Lines does.
func (m *Member) Pull(answer wire.Access, fetch func(head string, from int64) ([]byte, error)) error {
	if answer.Cluster != m.self.Cluster {
		return fmt.Errorf("it is of cluster %.80q", answer.Cluster)
	}
	var heads []access.Head
	for _, h := range answer.Heads {
		head := access.Head{Number: h.Number}
		if err := head.Hash.UnmarshalText([]byte(h.Hash)); err != nil {
			return fmt.Errorf("a head of its access log: %w", err)
		}
		heads = append(heads, head)
	}
	err := m.log.Pull(heads, func(h access.Hash, from int64) ([]byte, error) { return fetch(h.String(), from) }, m.now())
	m.rounds.news()
	if err == nil {
		m.heard.Store(m.now().Unix())
		err = m.Rotation().follow(answer.Roots)
	}
	for _, token := range answer.Burnt {
		if _, burning := m.Burn(token); burning != nil && err == nil {
			err = burning
		}
	}
	for _, other := range answer.Managers {
		if learned := m.Learn(other.Identity, other.URL, false); learned != nil && err == nil {
			err = learned
		}
	}
	return err
}

// staleAfter is the time after which a manager that hears no other member says so.
var staleAfter = failpoint.Duration("DKV_ACCESS_STALE_AFTER", time.Minute)

// StaleSince returns since when no other member has told its access log, if that is a minute ago: what others have
// revoked meanwhile is not known here. Otherwise, and if there is no other member, it returns the zero time.
func (m *Member) StaleSince() time.Time {
	at := time.Unix(max(m.heard.Load(), m.opened.Unix()), 0).UTC()
	if len(m.State().Members) < 2 || !m.IsStale(at) {
		return time.Time{}
	}
	return at
}

// BeginRound notes that the manager begins to ask others for lines of the access log, and returns the function that
// notes the end.
func (m *Member) BeginRound() (end func()) {
	m.rounds.begin()
	return m.rounds.end
}

// IsUnknown reports whether what Caller or CallerOf returned may be due to a line of the access log that only other
// managers have yet: the certificate is valid and has no role, or nothing is known of the token. A manager doesn't
// count: if two managers that don't know each other asked each other, and both waited, neither would answer.
func IsUnknown(caller identity.Caller, err error) bool {
	if err != nil {
		return errors.Is(err, access.ErrUnknownBearer)
	}
	return caller.Role == identity.NoRole && caller.Identity.Kind != identity.Manager
}

// Await calls for an early round of requests for lines of the access log, which Strangers tells, and calls judge again
// whenever lines have come, until judge returns true. It gives up when a round that began after the call has ended,
// when ctx is done, and after 2 s. All who wait share one round. If 64 wait already it returns at once.
func (m *Member) Await(ctx context.Context, judge func() (known bool)) {
	if len(m.State().Members) < 2 {
		return
	}
	before, ok := m.rounds.enter()
	if !ok {
		return
	}
	defer m.rounds.leave()
	m.callForRound()
	limit := time.NewTimer(maxAwait)
	defer limit.Stop()
	for {
		next := m.rounds.next(before)
		if judge() || next == nil {
			return
		}
		select {
		case <-next:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// callForRound tells Strangers that a round is wanted.
func (m *Member) callForRound() {
	select {
	case m.strange <- struct{}{}:
	default:
	}
}

// IsStale reports whether what was known of access at a time is too old to go unmentioned.
func (m *Member) IsStale(at time.Time) bool { return m.now().Sub(at) >= staleAfter }
