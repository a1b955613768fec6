package security

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
)

// Each connection takes the certificate and the authorities anew, and each request the access log: a renewed
// certificate, a grant and a revocation need no restart.

// http1 is the only application protocol of the admin API.
var http1 = []string{"http/1.1"}

// Server returns the TLS configuration of the admin API. It takes clients with any certificate and without one: Admit
// judges them when they make a request, so that the answer can say why they are refused.
func (m *Member) Server() *tls.Config {
	return identity.Server{
		Certificate: m.Certificate, Policy: func() *identity.Policy { return m.Policy() }, Protocols: http1,
		External: func() *tls.Certificate {
			if m.external == nil {
				return nil
			}
			return m.external.Use().Shown
		},
	}.Config()
}

// Client returns the TLS configuration for requests to other managers. It takes any manager of the cluster, and
// CheckManager says which one it is.
func (m *Member) Client() *tls.Config {
	return identity.Client{
		Credentials: func() []*identity.Bundle { return []*identity.Bundle{m.Bundle()} },
		Policy:      func(*identity.Bundle) *identity.Policy { return m.Policy(identity.Manager) },
		Protocols:   http1,
	}.Config()
}

// CheckManager returns the identity of the manager at the other end of a connection. The error says why it may not
// answer: it is no manager of the cluster, or no longer one.
func (m *Member) CheckManager(c *tls.ConnectionState) (string, error) {
	if c == nil {
		return "", errors.New("the answer did not come over TLS")
	}
	peer, err := m.Policy(identity.Manager).Admit(c.PeerCertificates)
	if err != nil {
		return "", err
	}
	if m.role(peer) != identity.ManagerRole {
		return "", fmt.Errorf("%s is not a member of it, or another server made this certificate", peer.Identity.Describe())
	}
	return peer.Identity.Name, nil
}

// Admit checks the certificates that a client has shown. The error is an *identity.Error.
func (m *Member) Admit(chain []*x509.Certificate) (*identity.Peer, error) {
	return m.Policy().Admit(chain)
}

// Caller returns who a client is that Admit has accepted before, and its role now. The error says why it is accepted no
// longer: it has expired, is revoked, or its authority is trusted no longer.
func (m *Member) Caller(peer *identity.Peer) (identity.Caller, error) {
	policy := m.Policy()
	if err := policy.Recheck(peer); err != nil {
		return identity.Caller{}, err
	}
	if role, external := policy.Granted(peer); external {
		return identity.Caller{Identity: peer.Identity, Role: role}, nil
	}
	return identity.Caller{Identity: peer.Identity, Role: m.role(peer)}, nil
}

// Strangers receives a value after an accepted manager had no role, and when a request waits in Await: another manager
// may have a line of the access log that gives the peer one, and that is not here yet. Values that nobody waits for
// are not counted.
func (m *Member) Strangers() <-chan struct{} { return m.strange }

// role returns the role of an accepted peer, and tells Strangers of a manager that has none. Of others Await tells.
func (m *Member) role(peer *identity.Peer) identity.Role {
	role := m.knownRole(peer)
	if role == identity.NoRole && peer.Identity.Kind == identity.Manager {
		m.callForRound()
	}
	return role
}

// knownRole returns the role of an accepted peer. A certificate of a manager counts only if the issuer of its own
// server made it: every server has an issuer for managers, and a stolen one must not speak for others.
func (m *Member) knownRole(peer *identity.Peer) identity.Role {
	state := m.State()
	id := peer.Identity
	if id.Kind == identity.Manager && !state.IsIssuerOf(id.Name, peer.Issuer()) {
		return identity.NoRole
	}
	return state.Role(id, peer.Serial(), access.Hash(peer.Key()), m.now())
}

// CallerOf returns who a bearer token speaks for. The error says why it is not accepted, and does not show the token.
func (m *Member) CallerOf(token string) (identity.Caller, error) {
	t, err := access.ParseBearerToken(token)
	if err != nil {
		return identity.Caller{}, err
	}
	if m.burnt.has(t.Text()) {
		return identity.Caller{}, errBurnt
	}
	return m.State().Bearer(t.Hash(), m.now())
}

// Burn makes a bearer token count no longer, durably: it came without TLS, here or at another manager. It reports
// whether the token is one of the cluster's; of any other text nothing is kept.
func (m *Member) Burn(token string) (bool, error) { return m.burnt.add(token, m.State()) }

// Burnt returns the burnt tokens, for other managers.
func (m *Member) Burnt() []string { return m.burnt.list() }
