package security

import (
	"errors"
	"fmt"
	"time"

	"dkvrun/runtime/access"
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
const staleAfter = time.Minute

// StaleSince returns since when no other member has told its access log, if that is a minute ago: what others have
// revoked meanwhile is not known here. Otherwise, and if there is no other member, it returns the zero time.
func (m *Member) StaleSince() time.Time {
	at := time.Unix(max(m.heard.Load(), m.opened.Unix()), 0).UTC()
	if len(m.State().Members) < 2 || m.now().Sub(at) < staleAfter {
		return time.Time{}
	}
	return at
}
