package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

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
// store, which the path names. A manager that is not secured takes every request, and does not know who makes it.
func authorize(s *security.Member, r *http.Request, route *route, store string) (identity.Caller, error) {
	if s == nil {
		return identity.Caller{}, nil
	}
	caller, err := callerOf(s, r)
	if len(route.roles) == 0 {
		return caller, nil
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

// bearerScheme begins the header Authorization of a request with a bearer token.
const bearerScheme = "Bearer "

// callerOf returns who makes a request to a secured manager, by the client's certificate or by a bearer token.
func callerOf(s *security.Member, r *http.Request) (identity.Caller, error) {
	authorization := r.Header.Values("Authorization")
	if r.TLS == nil {
		return identity.Caller{}, errors.New("it did not come over TLS")
	}
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
	if p == nil || p.peer == nil {
		peer, err := s.Admit(r.TLS.PeerCertificates)
		if err != nil {
			return identity.Caller{}, err
		}
		if p == nil {
			return s.Caller(peer)
		}
		p.peer = peer // requests of one connection follow each other
	}
	return s.Caller(p.peer)
}
