// Package securitytest makes secured clusters for tests: the authority, the keys of managers, credentials and tokens.
package securitytest

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// Cluster is what the server has that made a cluster, without a server.
type Cluster struct {
	Name      string
	t         *testing.T
	authority *pki.Authority
	users     *pki.Issuer // of users
	servers   *pki.Issuer // of managers, instances and applications
	mu        sync.Mutex
	log       *access.Log
}

// New makes a cluster.
func New(t *testing.T, name string) *Cluster {
	t.Helper()
	c := &Cluster{Name: name, t: t}
	var err error
	c.authority, err = pki.NewAuthority(name, born())
	c.check(err)
	c.log, err = access.Start(name, c.authority.Key, born())
	c.check(err)
	c.users = c.issuer(identity.User)
	c.servers = c.issuer(pki.ServerKinds()...)
	return c
}

// born is when clusters were made: long enough ago for certificates that have expired.
func born() time.Time { return time.Now().Add(-48 * time.Hour) }

func (c *Cluster) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) issuer(kinds ...identity.Kind) *pki.Issuer {
	c.t.Helper()
	key, err := pki.NewKey()
	c.check(err)
	chain, err := c.authority.Admit(&key.PublicKey, kinds, born())
	c.check(err)
	return &pki.Issuer{Chain: chain, Key: key, Roots: c.roots()}
}

func (c *Cluster) roots() []*x509.Certificate { return []*x509.Certificate{c.authority.Root} }

// add writes a line that the authority signs.
func (c *Cluster) add(e access.Entry) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	e, err := c.log.Prepare(e, c.authority.Key, time.Now())
	c.check(err)
	c.check(c.log.Append(e, time.Now()))
}

// lines returns the access log.
func (c *Cluster) lines() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.First()
}

// Issue makes the certificate of an identity of the cluster, of which the access log knows nothing. It is valid for a
// lifetime from now; one below 0 ended so long ago.
func (c *Cluster) Issue(id identity.Identity, lifetime time.Duration) *identity.Bundle {
	c.t.Helper()
	issuer, at := c.servers, time.Now()
	if id.Kind == identity.User {
		issuer = c.users
	}
	id.Cluster = c.Name
	if lifetime < 0 {
		at, lifetime = at.Add(lifetime-time.Hour), time.Hour
	}
	b, err := issuer.Issue(pki.Leaf{Identity: id, Lifetime: lifetime}, at)
	c.check(err)
	return b
}

// Member makes the certificate of a manager that is a member.
func (c *Cluster) Member(name string) *identity.Bundle {
	c.t.Helper()
	id := identity.Identity{Kind: identity.Manager, Cluster: c.Name, Name: name}
	b, err := c.member(name).Issue(pki.Leaf{Identity: id}, time.Now())
	c.check(err)
	return b
}

// member makes the issuer of a manager, and the line that makes it a member.
func (c *Cluster) member(name string) *pki.Issuer {
	c.t.Helper()
	issuer := c.issuer(pki.ServerKinds()...)
	id := identity.Identity{Kind: identity.Manager, Cluster: c.Name, Name: name}
	c.add(access.Entry{Kind: access.Member, Subject: id.String(), Serial: access.Serial(issuer.Chain[0].SerialNumber)})
	return issuer
}

// Server makes another member, and returns what makes certificates with the issuer of its server: for anybody, as who
// has stolen the server can. Store is empty for a manager.
func (c *Cluster) Server(name string) func(kind identity.Kind, store, of string) *identity.Bundle {
	c.t.Helper()
	issuer := c.member(name)
	return func(kind identity.Kind, store, of string) *identity.Bundle {
		c.t.Helper()
		leaf := pki.Leaf{Identity: identity.Identity{Kind: kind, Cluster: c.Name, Store: store, Name: of}}
		if kind == identity.Instance {
			leaf.Operation = "op"
		}
		b, err := issuer.Issue(leaf, time.Now())
		c.check(err)
		return b
	}
}

// User makes the credential of a user with a role.
func (c *Cluster) User(name string, role identity.Role) *identity.Bundle {
	c.t.Helper()
	b := c.Issue(identity.Identity{Kind: identity.User, Name: name}, time.Hour)
	e, err := access.GrantTo(b.Chain[0], role)
	c.check(err)
	c.add(e)
	return b
}

// App makes the credential of an application of a store.
func (c *Cluster) App(store, name string) *identity.Bundle {
	c.t.Helper()
	b := c.Issue(identity.Identity{Kind: identity.App, Store: store, Name: name}, time.Hour)
	c.Grant(b, identity.AppRole)
	return b
}

// Grant gives the certificate of a user or an application a role, in the place of the one that it has.
func (c *Cluster) Grant(b *identity.Bundle, role identity.Role) {
	c.t.Helper()
	e, err := access.GrantTo(b.Chain[0], role)
	c.check(err)
	e.Expires = time.Time{}
	c.add(e)
}

// Token makes a bearer token with a role, for a user who has it.
func (c *Cluster) Token(name string, role identity.Role) string {
	c.t.Helper()
	return c.token(name, role, time.Now().Add(time.Hour))
}

// ExpiredToken makes a bearer token whose time is over.
func (c *Cluster) ExpiredToken(name string, role identity.Role) string {
	c.t.Helper()
	return c.token(name, role, time.Now().Add(-time.Hour))
}

func (c *Cluster) token(name string, role identity.Role, expires time.Time) string {
	c.t.Helper()
	c.User(name, role)
	token, err := access.NewBearerToken()
	c.check(err)
	id := identity.Identity{Kind: identity.User, Cluster: c.Name, Name: name}
	c.add(access.Entry{Kind: access.Bearer, Subject: id.String(), Role: role, Of: token.Hash(),
		Expires: expires.UTC().Truncate(time.Second)})
	return token.Text()
}

// Revoke revokes a certificate.
func (c *Cluster) Revoke(b *identity.Bundle) {
	c.t.Helper()
	c.add(revocation(b))
}

// Secure makes the manager with a data folder and an identity a member, which holds the authority: it writes its keys,
// those of the authority, and a copy of the access log.
func (c *Cluster) Secure(dataDir, manager string) {
	c.t.Helper()
	path := filepath.Join(dataDir, "pki")
	folder, err := pki.OpenFolder(path)
	c.check(err)
	c.check(folder.Save(pki.IssuerFile, c.member(manager).Bundle()))
	c.check(folder.Save(pki.AuthorityFile, c.authority.Bundle()))
	c.check(folder.Save(pki.UserIssuerFile, c.users.Bundle()))
	c.check(folder.SaveRoots(c.roots()))
	id := identity.Identity{Kind: identity.Manager, Cluster: c.Name, Name: manager}
	c.add(access.Entry{Kind: access.Holder, Subject: id.String()})
	c.Copy(dataDir)
}

// Copy gives the manager with a data folder, which doesn't run, all of the access log.
func (c *Cluster) Copy(dataDir string) {
	c.t.Helper()
	path := filepath.Join(dataDir, "pki")
	if err := os.Remove(filepath.Join(path, "access.log")); !errors.Is(err, fs.ErrNotExist) {
		c.check(err)
	}
	l, err := access.Read(c.lines(), []access.Hash{access.Hash(identity.HashKey(c.authority.Root))})
	c.check(err)
	f, err := access.Create(path, l)
	c.check(err)
	c.check(f.Close())
}

// Revocation returns the line that would revoke a certificate.
func (c *Cluster) Revocation(b *identity.Bundle) string {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	e, err := c.log.Prepare(revocation(b), c.authority.Key, time.Now())
	c.check(err)
	line, err := json.Marshal(e)
	c.check(err)
	return string(line)
}

func revocation(b *identity.Bundle) access.Entry {
	return access.Entry{Kind: access.Revoke, Serial: access.Serial(b.Chain[0].SerialNumber)}
}

// Tell gives a manager what it doesn't have of the access log.
func (c *Cluster) Tell(m *security.Member) error {
	c.mu.Lock()
	head := c.log.Heads()[0]
	c.mu.Unlock()
	return m.Pull(wire.Access{Cluster: c.Name, Heads: []wire.AccessHead{{Number: head.Number, Hash: head.Hash.String()}}},
		func(string, int64) ([]byte, error) { return c.lines(), nil })
}
