package admin

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// membership serves the routes about the members of a secured cluster and their roles.
type membership struct {
	of    *security.Member // nil if the manager is not secured
	log   *slog.Logger
	tries tries
}

// member returns what a secured manager has, or the refusal of one that is not.
func (s *membership) member() (*security.Member, error) {
	if s.of == nil {
		return nil, wire.RefuseNotSecured.With()
	}
	return s.of, nil
}

// managers returns the other members of a secured cluster whose address is known.
func (s *membership) managers() []wire.Manager {
	if s.of == nil {
		return nil
	}
	return s.of.Managers()
}

// maxJoin is the largest body of a request to join, in bytes. Anybody may send one.
const maxJoin = 16 << 10

// tries limits how often one client address may fail to join. Tokens can't be guessed; the limit bounds what guesses
// cost.
type tries struct {
	mu     sync.Mutex
	failed map[netip.Addr]int
	since  time.Time // the start of the minute that failed counts
}

const (
	// maxTries is the maximum number of failures of one address in a minute.
	maxTries = 10
	// maxTriesFrom is the maximum number of addresses that are counted in a minute; further ones are refused.
	maxTriesFrom = 4096
)

// allow reports whether a client may try.
func (t *tries) allow(client netip.Addr, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.since) >= time.Minute || now.Before(t.since) {
		t.since, t.failed = now, map[netip.Addr]int{}
	}
	n, counted := t.failed[client]
	return n < maxTries && (counted || len(t.failed) < maxTriesFrom)
}

// fail counts a failure.
func (t *tries) fail(client netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed[client]++
}

// checkJoin refuses a request to join by its header.
func checkJoin(r *http.Request) error {
	if r.Header.Get("Content-Encoding") != "" {
		return wire.Refuse(wire.CodeBadRequest, "Join takes no Content-Encoding")
	}
	if r.ContentLength < 0 || r.ContentLength > maxJoin {
		return wire.Refuse(wire.CodeBodyTooLarge, "the body of Join is over %d KiB, or has no Content-Length", maxJoin>>10)
	}
	return nil
}

// join lets a server join the cluster.
func (s *membership) join(req *request) (any, error) {
	m, err := s.member()
	if err != nil {
		return nil, err
	}
	if !s.tries.allow(req.client, time.Now()) {
		return nil, wire.Refuse(wire.CodeTooBusy, "too many refused requests to join came from this address: try again in a minute")
	}
	var r wire.Join
	if err := decode(req.body, &r); err != nil {
		s.tries.fail(req.client)
		return nil, err
	}
	answer, err := m.Join(r)
	var refused *security.TokenError
	switch {
	case errors.As(err, &refused):
		s.tries.fail(req.client)
		s.log.Warn("a server may not join", "client", req.client, "why", refused)
		return nil, wire.Refuse(wire.CodeTokenRefused, "%w", refused)
	case errors.Is(err, security.ErrNoAuthority):
		return nil, wire.Refuse(wire.CodeTokenRefused, "%w", err)
	case err != nil:
		return nil, err
	}
	req.subject = identity.Identity{Kind: identity.Manager, Cluster: answer.Cluster, Name: r.Identity}.String()
	s.log.Info("a server joined", "client", req.client, "manager", r.Identity, "url", r.URL)
	return answer, nil
}

// getAccess returns what this manager has of the access log: where it and its branches end, or with the parameter head
// the lines of one of them. Another manager states its own URL.
func (s *membership) getAccess(req *request) (any, error) {
	m, err := s.member()
	if err != nil {
		return nil, err
	}
	if url := req.query.Get("url"); url != "" && req.caller.Identity.Kind == identity.Manager {
		if err := m.Learn(req.caller.Identity.Name, url, true); err != nil {
			return nil, wire.Refuse(wire.CodeBadRequest, "parameter url: %w", err)
		}
	}
	if !req.query.Has("head") {
		answer := m.Access()
		if req.caller.Identity.Kind == identity.Manager {
			answer.Burnt = m.Burnt()
		}
		return answer, nil
	}
	from, err := req.number("from", 1, 1, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	lines, err := m.Lines(req.query.Get("head"), int64(from))
	if errors.Is(err, security.ErrUnknownHead) {
		return nil, wire.Refuse(wire.CodeNotFound, "%w", err)
	}
	if err != nil {
		return nil, wire.Refuse(wire.CodeBadRequest, "parameter head: %w", err)
	}
	return text(lines), nil
}

// getIssuer returns the certificate of the issuer of the manager that asks, as the present authority signs it.
func (s *membership) getIssuer(req *request) (any, error) {
	m, err := s.member()
	if err != nil {
		return nil, err
	}
	var peer *identity.Peer
	if p := slotOf(req.ctx); p != nil {
		peer = p.peer.Load()
	}
	if peer == nil {
		return nil, wire.Refuse(wire.CodeBadRequest, "the certificate of the issuer is for a manager that shows its own")
	}
	answer, err := m.Rotation().Readmit(peer)
	if errors.Is(err, security.ErrNoAuthority) {
		return nil, wire.Refuse(wire.CodeNoAuthority, "%w", err)
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("the issuer of a manager's server was admitted by the present authority", "manager", req.caller.Identity.Name)
	return answer, nil
}

// appendAccess adds a line to the access log, which says by its signature who may write it.
func (s *membership) appendAccess(req *request) (any, error) {
	m, err := s.member()
	if err != nil {
		return nil, err
	}
	var body wire.AppendAccess
	if err := decode(req.body, &body); err != nil {
		return nil, err
	}
	id, err := m.Append(body.Line)
	req.subject = id
	if err == nil {
		err = failpoint.At("access.written")
	}
	var refused *security.TokenError
	if errors.As(err, &refused) {
		return nil, wire.Refuse(wire.CodeLineRefused, "%w", refused)
	}
	if err != nil {
		return nil, err
	}
	return success("Added line %d", m.State().Number), nil
}

// getState returns what the access log says, for people.
func (s *membership) getState(*request) (any, error) {
	m, err := s.member()
	if err != nil {
		return nil, err
	}
	return m.AccessState(), nil
}

// makeCertificate makes the certificate of a user or an application, for a key that the request proves to have. It has
// no role: that is a line of the access log, which an admin signs.
func (s *membership) makeCertificate(req *request) (any, error) {
	m, err := s.member()
	if err != nil {
		return nil, err
	}
	var body wire.MakeCertificate
	if err := decode(req.body, &body); err != nil {
		return nil, err
	}
	id, err := identity.Parse(body.Identity)
	if err != nil {
		return nil, wire.Refuse(wire.CodeBadRequest, "identity: %w", err)
	}
	if body.Seconds < wire.MinCertificateSeconds || body.Seconds > wire.MaxCertificateSeconds {
		return nil, wire.Refuse(wire.CodeBadRequest, "seconds: got %d, want %d to %d", body.Seconds, wire.MinCertificateSeconds,
			wire.MaxCertificateSeconds)
	}
	req.subject, req.store = id.String(), id.Store
	made, err := m.Certify(id, body.Request, time.Duration(body.Seconds)*time.Second)
	var refused *security.TokenError
	switch {
	case errors.As(err, &refused):
		return nil, wire.Refuse(wire.CodeBadRequest, "%w", refused)
	case errors.Is(err, security.ErrNoAuthority), errors.Is(err, security.ErrNotAdmitted):
		return nil, wire.Refuse(wire.CodeNoAuthority, "%w", err)
	}
	return made, err
}
