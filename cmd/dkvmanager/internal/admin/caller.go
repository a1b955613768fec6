package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// Roles that rows of the table of routes take. Everybody may use a row that takes nobody.
var (
	nobody            = []identity.Role(nil)
	viewer            = []identity.Role{identity.Viewer}
	operator          = []identity.Role{identity.Operator}
	admin             = []identity.Role{identity.Admin}
	manager           = []identity.Role{identity.ManagerRole}
	adminOrManager    = []identity.Role{identity.Admin, identity.ManagerRole}
	viewerOrApp       = []identity.Role{identity.Viewer, identity.ReadOnlyApp}
	viewerOrManager   = []identity.Role{identity.Viewer, identity.ManagerRole}
	operatorOrManager = []identity.Role{identity.Operator, identity.ManagerRole}
)

// authorize returns who makes a request, or refuses it if the caller may not make it: an application only about its own
// store, which the path names. A manager that is not secured takes every request, and does not know who makes it. So
// does a secured one over plain connections, if it takes these. Of whom nothing is known waits for what other managers
// know: a credential may be new.
func authorize(
	s *security.Member, log *slog.Logger, tokens *unknownTokens, r *http.Request, route *route, store string,
) (identity.Caller, error) {
	if s == nil {
		return identity.Caller{}, nil
	}
	if r.TLS == nil {
		return identity.Caller{}, authorizePlain(s, log, r, route)
	}
	caller, err := callerOf(s, r)
	if len(route.roles) == 0 {
		return caller, nil
	}
	if security.IsUnknown(caller, err) && tokens.mayAwait(r) {
		s.Await(r.Context(), func() bool {
			caller, err = callerOf(s, r)
			return !security.IsUnknown(caller, err)
		})
	}
	if err != nil {
		return identity.Caller{}, wire.RefuseNotAuthenticated.With(s.Identity().Cluster, err)
	}
	if err := caller.Allow(route.does, route.roles...); err != nil {
		return identity.Caller{}, wire.RefuseNotAllowed.With(err)
	}
	if caller.Identity.Kind == identity.App && caller.Identity.Store != store {
		return identity.Caller{}, wire.RefuseNotAllowed.With(fmt.Errorf(
			"%s may not %s: only for its own store", caller.Identity.Describe(), route.does))
	}
	return caller, nil
}

// tlsOnly lists the actions of a secured manager that none takes over a plain connection.
var tlsOnly = map[string]bool{
	"Join": true, "GetIssuer": true, "GetAccess": true, "AppendAccess": true, "GetAccessState": true, "MakeCertificate": true,
}

// authorizePlain refuses a request over a plain connection if the manager takes none, if the request is about the
// cluster's members, or if it has a bearer token: that one is revoked.
func authorizePlain(s *security.Member, log *slog.Logger, r *http.Request, route *route) error {
	tokens, revoked := r.Header.Values("Authorization"), 0
	for _, authorization := range tokens {
		fields := strings.Fields(authorization) // whatever the scheme: others may have read it
		if len(fields) == 0 {
			continue
		}
		known, err := s.Burn(fields[len(fields)-1])
		if err != nil {
			log.Error("a bearer token came without TLS, and can't be revoked durably", "client", r.RemoteAddr, "error", err)
			return err
		}
		if known {
			log.Warn("a bearer token came without TLS, and is revoked", "client", r.RemoteAddr)
			revoked++
		}
	}
	switch {
	case revoked > 0:
		return wire.RefuseTokenInPlain.With("it is revoked, and counts no longer")
	case len(tokens) > 0:
		return wire.RefuseTokenInPlain.With("the request is refused; the token is not one of this cluster")
	}
	if !s.TakesPlain() || tlsOnly[route.action] {
		return wire.RefuseTLSRequired.With(s.Identity().Cluster)
	}
	return nil
}

// unknownTokens bounds for how many requests with unknown bearer tokens other managers are asked. Everybody can make up
// a token, while a certificate without a role that gets so far is one of the cluster's authority.
type unknownTokens struct{ tries }

// mayAwait reports whether a request of an unknown caller may wait for what other managers know: of requests with
// bearer tokens 10 in a minute from one client address.
func (t *unknownTokens) mayAwait(r *http.Request) bool {
	if len(r.Header.Values("Authorization")) == 0 {
		return true
	}
	client := clientOf(r)
	if !t.allow(client, time.Now()) {
		return false
	}
	t.fail(client)
	return true
}

// bearerScheme begins the header Authorization of a request with a bearer token.
const bearerScheme = "Bearer "

// callerOf returns who makes a request to a secured manager, by the client's certificate or by a bearer token.
func callerOf(s *security.Member, r *http.Request) (identity.Caller, error) {
	authorization := r.Header.Values("Authorization")
	switch {
	case len(authorization) > 1 || len(authorization) > 0 && len(r.TLS.PeerCertificates) > 0:
		return identity.Caller{}, errors.New("it has more than one of them")
	case len(authorization) > 0:
		token, found := strings.CutPrefix(authorization[0], bearerScheme)
		if !found {
			return identity.Caller{}, errors.New("its header Authorization has no bearer token")
		}
		return s.CallerOf(token)
	case len(r.TLS.PeerCertificates) == 0:
		return identity.Caller{}, errors.New("it has neither")
	}
	// The signatures are checked once for a connection, all else for each request: also a request over an old connection
	// is refused once its certificate has expired or is revoked.
	p := slotOf(r.Context())
	if p == nil || p.peer.Load() == nil {
		peer, err := s.Admit(r.TLS.PeerCertificates)
		if err != nil {
			return identity.Caller{}, err
		}
		if p == nil {
			return s.Caller(peer)
		}
		p.peer.Store(peer) // requests of one connection follow each other
	}
	return s.Caller(p.peer.Load())
}
