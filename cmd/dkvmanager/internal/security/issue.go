package security

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/instancekeys"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// MaxCount is the maximum number of servers that may use a join token.
const MaxCount = 10000

// Token makes a join token for so many servers. With a manager's identity it is for that manager alone, which joins
// again.
func (m *Member) Token(count int, lifetime time.Duration, manager string) (access.JoinToken, error) {
	if _, err := m.holding(); err != nil {
		return access.JoinToken{}, err
	}
	e := access.Entry{Kind: access.Token, Count: count, Expires: m.now().Add(lifetime)}
	if manager != "" {
		id := identity.Identity{Kind: identity.Manager, Cluster: m.self.Cluster, Name: manager}
		if _, is := m.State().Members[manager]; !is {
			return access.JoinToken{}, fmt.Errorf("there is no manager %.80q in cluster %s: its members are %s", manager, m.self.Cluster,
				listed(slices.Sorted(maps.Keys(m.State().Members))))
		}
		e.Subject = id.String()
	}
	// A server that joins trusts the root that it names.
	token, err := access.NewJoinToken(identity.HashKey(m.ring().authority.Root))
	if err != nil {
		return access.JoinToken{}, err
	}
	e.Of = token.Hash()
	return token, m.sign(e)
}

// Credential makes a user's credential with a role. It ends the user's earlier one, whose certificate is revoked.
func (m *Member) Credential(user string, role identity.Role, lifetime time.Duration) (*identity.Bundle, error) {
	id, err := m.user(user, role)
	if err != nil {
		return nil, err
	}
	issuer, err := m.usersIssuer()
	if err == nil {
		err = m.Rotation().checkIssuer(issuer)
	}
	if err != nil {
		return nil, err
	}
	b, err := issuer.Issue(pki.Leaf{Identity: id, Lifetime: lifetime}, m.now())
	if err != nil {
		return nil, err
	}
	b.Roots = m.ring().roots
	grant, err := access.GrantTo(b.Chain[0], role)
	if err != nil {
		return nil, err
	}
	return b, m.sign(grant)
}

// usersIssuer returns the issuer of users' certificates if this server holds the authority. An admin may revoke any
// certificate, also the issuer's, with which all users are kept out. Then the authority admits another one: so the
// commands of this server let people in again.
func (m *Member) usersIssuer() (*pki.Issuer, error) {
	authority, err := m.holding()
	if err != nil {
		return nil, err
	}
	if users := m.ring().users; !m.State().IsRevoked(users.Chain[0].SerialNumber) {
		return users, nil
	}
	err = m.replaceKeys(func(files pki.Folder, now keyring) (keyring, error) {
		now.users, err = newIssuer(files, pki.UserIssuerFile, authority, []identity.Kind{identity.User}, m.now())
		return now, err
	})
	return m.ring().users, err
}

// AppCredential makes the credential of an application of a store, which may write or only read. It ends the
// application's earlier one, whose certificate is revoked.
func (m *Member) AppCredential(store, name string, role identity.Role, lifetime time.Duration) (
	*identity.Bundle, error) {
	id := identity.Identity{Kind: identity.App, Cluster: m.self.Cluster, Store: store, Name: name}
	if _, err := m.holding(); err != nil {
		return nil, err
	}
	if err := id.Check(); err != nil {
		return nil, err
	}
	if err := identity.CheckRole(identity.App, role); err != nil {
		return nil, err
	}
	issuer := m.ring().issuer
	if err := m.Rotation().checkIssuer(issuer); err != nil {
		return nil, err
	}
	b, err := issuer.Issue(pki.Leaf{Identity: id, Lifetime: lifetime}, m.now())
	if err != nil {
		return nil, err
	}
	b.Roots = m.ring().roots
	grant, err := access.GrantTo(b.Chain[0], role)
	if err != nil {
		return nil, err
	}
	return b, m.sign(grant)
}

// Certify makes the certificate of a user or an application for the key of a signing request. It has no role, which a
// line of the access log gives it. A refusal is a *TokenError; for a user's the error is ErrNoAuthority unless this
// server holds the authority. It is ErrNotAdmitted while the newest authority doesn't vouch for what this server makes.
func (m *Member) Certify(id identity.Identity, request string, lifetime time.Duration) (wire.MadeCertificate, error) {
	issuer := m.ring().issuer
	switch {
	case id.Cluster != m.self.Cluster:
		return wire.MadeCertificate{}, &TokenError{fmt.Errorf("%s is not of cluster %s", id, m.self.Cluster)}
	case id.Kind == identity.User:
		var err error
		if issuer, err = m.usersIssuer(); err != nil {
			return wire.MadeCertificate{}, err
		}
	case id.Kind != identity.App:
		return wire.MadeCertificate{}, &TokenError{fmt.Errorf("%s is neither a user nor an application", id)}
	}
	if err := m.Rotation().checkIssuer(issuer); err != nil {
		return wire.MadeCertificate{}, err
	}
	key, err := identity.ParseRequest([]byte(request))
	if err != nil {
		return wire.MadeCertificate{}, &TokenError{err}
	}
	chain, err := issuer.Sign(key, pki.Leaf{Identity: id, Lifetime: lifetime}, m.now())
	if err != nil {
		return wire.MadeCertificate{}, err
	}
	return wire.MadeCertificate{
		Cluster: m.self.Cluster, Manager: m.self.Name, Certificate: certificates(chain), Roots: certificates(m.ring().roots),
	}, nil
}

// Bearer makes a bearer token for a user, with a role.
func (m *Member) Bearer(user string, role identity.Role, lifetime time.Duration) (*identity.Bundle, error) {
	id, err := m.user(user, role)
	if err != nil {
		return nil, err
	}
	token, err := access.NewBearerToken()
	if err != nil {
		return nil, err
	}
	b := &identity.Bundle{Token: token.Text(), Roots: m.ring().roots, Cluster: id.Cluster}
	return b, m.sign(access.Entry{
		Kind: access.Bearer, Subject: id.String(), Role: role, Of: token.Hash(), Expires: m.now().Add(lifetime),
	})
}

// user checks the name and the role of a user.
func (m *Member) user(name string, role identity.Role) (identity.Identity, error) {
	id := identity.Identity{Kind: identity.User, Cluster: m.self.Cluster, Name: name}
	if _, err := m.holding(); err != nil {
		return id, err
	}
	if err := id.Check(); err != nil {
		return id, err
	}
	return id, identity.CheckRole(identity.User, role)
}

// Revoke ends what somebody was granted: a user by the name, anybody by the URI. It returns whom it revoked.
func (m *Member) Revoke(name string) (identity.Identity, error) {
	id := identity.Identity{Kind: identity.User, Cluster: m.self.Cluster, Name: name}
	if strings.Contains(name, "://") {
		var err error
		if id, err = identity.Parse(name); err != nil {
			return id, err
		}
	}
	if _, err := m.holding(); err != nil {
		return id, err
	}
	if id == m.self {
		return id, errors.New("the manager of this server, which has the authority's key, can't be revoked here")
	}
	state := m.State()
	if !state.HasAccess(id) {
		return id, fmt.Errorf("there is no %s: there is %s", id.Describe(), listed(state.Names()))
	}
	return id, m.sign(access.Entry{Kind: access.Revoke, Subject: id.String()})
}

// maxListed is the number of names that an error lists.
const maxListed = 8

// listed returns the first names for an error, and says how many others there are.
func listed(names []string) string {
	if more := len(names) - maxListed; more > 1 {
		return fmt.Sprintf("%s and %d more, which dkvmanager pki status lists", strings.Join(names[:maxListed], ", "), more)
	}
	return strings.Join(names, ", ")
}

// WriteInstance writes to the folder of an instance of this server what it needs to speak TLS: a certificate, if it has
// none that will do, and who may use its store, if that has changed. The leaf names the instance. Topology says which
// managers keep the store's instances; nil if this manager doesn't know.
func (m *Member) WriteInstance(folder string, leaf pki.Leaf, topology *instancekeys.Topology) error {
	if leaf.Identity.Kind != identity.Instance {
		return fmt.Errorf("%s is no instance", leaf.Identity)
	}
	now := m.now()
	if err := instancekeys.WriteCertificate(folder, m.ring().issuer, leaf, now); err != nil {
		return err
	}
	return instancekeys.WriteAccess(folder, m.portState(), m.Policy().Roots, m.External(), leaf.Identity.Store,
		m.TakesPlain(), topology)
}

// portState returns what the access log says without the bearer tokens that came without TLS: instances take the others
// alone.
func (m *Member) portState() *access.State {
	burnt := m.burnt.hashes()
	if len(burnt) == 0 {
		return m.State()
	}
	state := *m.State()
	state.Bearers = maps.Clone(state.Bearers)
	maps.DeleteFunc(state.Bearers, func(h access.Hash, _ access.BearerState) bool { return burnt[h] })
	return &state
}
