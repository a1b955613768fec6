package security_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
)

// now is the time of the tests.
var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func uri(kind identity.Kind, name string) string {
	id := identity.Identity{Kind: kind, Cluster: "prod", Name: name}
	if kind == identity.App || kind == identity.Instance {
		id.Store = "S"
	}
	return id.String()
}

// first has what the server has that made the cluster.
type first struct {
	t         *testing.T
	authority *pki.Authority
	users     *pki.Issuer
	log       *access.File
	manager   *identity.Bundle
}

func (f *first) roots() []*x509.Certificate { return []*x509.Certificate{f.authority.Root} }

// policy is what the server admits at a time.
func (f *first) policy(at time.Time, kinds ...identity.Kind) *identity.Policy {
	return &identity.Policy{
		Roots: f.roots(), Cluster: "prod", Kinds: kinds, Now: func() time.Time { return at }, Revoked: f.log.State().IsRevoked,
	}
}

// add writes a line that the authority signs.
func (f *first) add(e access.Entry) error {
	_, err := f.log.Add(func(l *access.Log) (access.Entry, error) { return l.Prepare(e, f.authority.Key, now) }, now)
	return err
}

// issuer admits the issuer of a server, and returns it.
func (f *first) issuer(kinds ...identity.Kind) *pki.Issuer {
	key := must(pki.NewKey())
	return &pki.Issuer{Chain: must(f.authority.Admit(&key.PublicKey, kinds, now)), Key: key, Roots: f.roots()}
}

func id(kind identity.Kind, name string) identity.Identity {
	return must(identity.Parse(uri(kind, name)))
}

// initialise makes a cluster as its first server does.
func initialise(t *testing.T) *first {
	f := &first{t: t, authority: must(pki.NewAuthority("prod", now))}
	f.log = must(access.Create(t.TempDir(), must(access.Start("prod", f.authority.Key, now))))
	t.Cleanup(func() { _ = f.log.Close() })
	f.users = f.issuer(identity.User)
	own := f.issuer(pki.ServerKinds()...)
	f.manager = must(own.Issue(pki.Leaf{Identity: id(identity.Manager, "m-1")}, now))
	must(0, f.add(access.Entry{
		Kind: access.Member, Subject: uri(identity.Manager, "m-1"), Serial: access.Serial(own.Chain[0].SerialNumber),
	}))
	return f
}

// user makes a credential with a role.
func (f *first) user(name string, role identity.Role) *identity.Bundle {
	b := must(f.users.Issue(pki.Leaf{Identity: id(identity.User, name)}, now))
	must(0, f.add(must(access.GrantTo(b.Chain[0], role))))
	return b
}

// join answers a server that wants to join: the order is what keeps a token from being used twice.
func (f *first) join(token, name string, request []byte) ([]*x509.Certificate, error) {
	t, err := access.ParseJoinToken(token)
	if err != nil {
		return nil, err
	}
	key, err := identity.ParseRequest(request)
	if err != nil {
		return nil, err
	}
	hash := must(pki.HashPublicKey(key))
	if err := f.log.State().MayJoin(t.Hash(), access.Hash(hash), name, now); err != nil {
		return nil, err
	}
	chain, err := f.authority.Admit(key, pki.ServerKinds(), now)
	if err != nil {
		return nil, err
	}
	// On disk before the certificate is sent.
	return chain, f.add(access.Entry{
		Kind: access.Member, Subject: uri(identity.Manager, name), Serial: access.Serial(chain[0].SerialNumber),
		Of: t.Hash(), Joining: access.Hash(hash),
	})
}

// token makes a token for so many servers, or for one that is a member.
func (f *first) token(count int, manager ...string) access.JoinToken {
	t := must(access.NewJoinToken(identity.HashKey(f.authority.Root)))
	e := access.Entry{Kind: access.Token, Of: t.Hash(), Count: count, Expires: now.Add(time.Hour)}
	if len(manager) > 0 {
		e.Subject = uri(identity.Manager, manager[0])
	}
	must(0, f.add(e))
	return t
}

// dial connects to the server, whose certificate is a bundle's, as somebody who has only a token does. It returns an
// error before anything is sent.
func dial(shown *identity.Bundle, token access.JoinToken) error {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	server := identity.Server{
		Certificate: func() (*tls.Certificate, error) { return shown.TLS(true), nil },
		Policy:      func() *identity.Policy { return shown.Policy(func() time.Time { return now }) },
	}.Config()
	go func() { _ = tls.Server(a, server).Handshake() }()
	return tls.Client(b, &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			root, err := identity.RootByHash(state.PeerCertificates, token.Root)
			if err != nil {
				return err
			}
			p := identity.Policy{Roots: []*x509.Certificate{root}, Kinds: []identity.Kind{identity.Manager},
				Now: func() time.Time { return now }}
			_, err = p.Admit(state.PeerCertificates)
			return err
		},
	}).Handshake()
}

func TestCluster_Join(t *testing.T) {
	f := initialise(t)
	token := f.token(1)
	if err := dial(f.manager, token); err != nil {
		t.Errorf("the true server: %v", err)
	}
	impostor := initialise(t).manager
	if err := dial(impostor, token); err == nil || !strings.Contains(err.Error(), "the root certificate whose key the token names") {
		t.Errorf("another cluster's server: %v", err)
	}
	// It shows the true root as well, which everybody may know.
	impostor.Roots = f.roots()
	if err := dial(impostor, token); err == nil {
		t.Error("a server with a foreign certificate is taken")
	}
	user := f.user("eve", identity.Viewer)
	if err := dial(user, token); err == nil {
		t.Error("a user is taken as a server")
	}

	key := must(pki.NewKey())
	request := must(identity.NewRequest(key))
	text := token.Text()
	if _, err := f.join(text[:len(text)-1]+"a", "m-2", request); err == nil && text[len(text)-1] != 'a' {
		t.Error("a token with a typo is taken")
	}
	chain := must(f.join(text, "m-2", request))
	again := must(f.join(text, "m-2", request)) // the first answer was lost
	if !f.log.State().IsRevoked(chain[0].SerialNumber) || f.log.State().IsRevoked(again[0].SerialNumber) {
		t.Error("not exactly the last certificate holds")
	}
	// A hostile joiner gets nothing.
	other := must(identity.NewRequest(must(pki.NewKey())))
	fresh, bound := f.token(1), f.token(1, "m-1")
	foreign := must(access.NewJoinToken(token.Root))
	number := f.log.State().Number
	for name, x := range map[string]struct {
		token, name string
		request     []byte
	}{
		"replayed token":      {text, "m-2", other},
		"replayed, new name":  {text, "m-3", other},
		"same key, new name":  {text, "m-3", request},
		"invented token":      {foreign.Text(), "m-3", other},
		"10 MB":               {text, "m-2", make([]byte, 10<<20)},
		"a bearer token":      {must(access.NewBearerToken()).Text(), "m-3", other},
		"takes over a member": {fresh.Text(), "m-1", other},
		"and itself, new key": {fresh.Text(), "m-2", other},
		"token of another":    {bound.Text(), "m-3", other},
	} {
		if chain, err := f.join(x.token, x.name, x.request); err == nil {
			t.Errorf("%s: got %d certificates", name, len(chain))
		}
	}
	if s := f.log.State(); s.Number != number || len(s.Members) != 2 {
		t.Errorf("a refused server changed the log: %d lines, the members %v", s.Number, s.Members)
	}
	// A server that was wiped joins again, with a token that is made for it.
	lost := must(f.join(f.token(1, "m-2").Text(), "m-2", request))
	s := f.log.State()
	if !s.IsRevoked(again[0].SerialNumber) || s.IsRevoked(lost[0].SerialNumber) || len(s.Members) != 2 {
		t.Errorf("joined again: the members %v, revoked %v", s.Members, s.Revoked)
	}
	again = lost
	// The new server makes its own certificate, and is a member.
	joined := &pki.Issuer{Chain: again, Key: key, Roots: f.roots()}
	leaf := must(joined.Issue(pki.Leaf{Identity: id(identity.Manager, "m-2")}, now))
	peer := must(f.policy(now, identity.Manager).Admit(leaf.Chain))
	role := f.log.State().Role(peer.Identity, peer.Serial(), access.Hash(peer.Key()), now)
	if role != identity.ManagerRole {
		t.Errorf("got the role %q", role)
	}
}

func TestCluster_Revocation(t *testing.T) {
	f := initialise(t)
	admin, ci := f.user("root", identity.Admin), f.user("ci", identity.Operator)
	peer := must(f.policy(now).Admit(ci.Chain))
	role := func(p *identity.Peer) identity.Role {
		return f.log.State().Role(p.Identity, p.Serial(), access.Hash(p.Key()), now)
	}
	if role(peer) != identity.Operator {
		t.Fatalf("got the role %q", role(peer))
	}
	// The admin signs with the key of the credential.
	_, err := f.log.Add(func(l *access.Log) (access.Entry, error) {
		return l.Prepare(access.Entry{Kind: access.Revoke, Subject: uri(identity.User, "ci")}, admin.Key, now)
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	var e *identity.Error
	if err := f.policy(now).Recheck(peer); !errors.As(err, &e) || e.Problem != identity.IsRevoked ||
		role(peer) != identity.NoRole {
		t.Errorf("an open connection: %v, with the role %q", err, role(peer))
	}
	if _, err := f.policy(now).Admit(ci.Chain); !errors.As(err, &e) || e.Problem != identity.IsRevoked {
		t.Errorf("a new connection: %v", err)
	}
	// A new credential of the same name works, the old one doesn't come back with it.
	renewed := f.user("ci", identity.Viewer)
	fresh := must(f.policy(now).Admit(renewed.Chain))
	if _, err := f.policy(now).Admit(ci.Chain); err == nil || role(fresh) != identity.Viewer ||
		role(peer) != identity.NoRole {
		t.Errorf("got %v, the roles %q and %q", err, role(fresh), role(peer))
	}
	// A lost admin credential is replaced: the old one ends.
	replaced := f.user("root", identity.Admin)
	if _, err := f.policy(now).Admit(admin.Chain); err == nil {
		t.Error("the lost credential still works")
	}
	if p := must(f.policy(now).Admit(replaced.Chain)); role(p) != identity.Admin {
		t.Errorf("got the role %q", role(p))
	}
	// Users of applications and managers don't become users by the helper.
	if _, err := access.GrantTo(f.manager.Chain[0], identity.Admin); err == nil {
		t.Error("a manager is granted a role")
	}
}

// What somebody can do with the folder of one server that isn't the first, before and after it is revoked.
func TestCluster_StolenServer(t *testing.T) {
	f := initialise(t)
	token := f.token(1)
	key := must(pki.NewKey())
	stolen := &pki.Issuer{Chain: must(f.join(token.Text(), "m-2", must(identity.NewRequest(key)))), Key: key, Roots: f.roots()}
	folder := must(pki.OpenFolder(filepath.Join(t.TempDir(), "pki")))
	must(0, folder.Save(pki.IssuerFile, stolen.Bundle()))
	stolen = must(pki.IssuerOf(must(folder.Load(pki.IssuerFile))))
	make := func(l pki.Leaf) *identity.Peer {
		b, err := stolen.Issue(l, now)
		if err != nil {
			return nil
		}
		p, _ := f.policy(now).Admit(b.Chain)
		return p
	}
	can := map[string]pki.Leaf{
		"itself":                      {Identity: id(identity.Manager, "m-2")},
		"another manager":             {Identity: id(identity.Manager, "m-1")},
		"an instance":                 {Identity: id(identity.Instance, "s-1"), Operation: "op"},
		"an application that is none": {Identity: id(identity.App, "web")},
	}
	wantRole := map[string]identity.Role{
		"itself": identity.ManagerRole, "another manager": identity.ManagerRole, "an instance": identity.InstanceRole,
		"an application that is none": identity.NoRole,
	}
	var peers []*identity.Peer
	for name, l := range can {
		p := make(l)
		if p == nil {
			t.Errorf("%s: refused", name)
			continue
		}
		if role := f.log.State().Role(p.Identity, p.Serial(), access.Hash(p.Key()), now); role != wantRole[name] {
			t.Errorf("%s: has the role %q, want %q", name, role, wantRole[name])
		}
		peers = append(peers, p)
	}
	if make(pki.Leaf{Identity: id(identity.User, "root")}) != nil {
		t.Error("it makes a user")
	}
	// It can't write the log with any key that it has.
	for _, e := range []access.Entry{{Kind: access.Grant, Subject: uri(identity.User, "evil"), Role: identity.Admin},
		{Kind: access.Revoke, Serial: "1"}} {
		if _, err := f.log.Add(func(l *access.Log) (access.Entry, error) { return l.Prepare(e, key, now) }, now); err == nil {
			t.Errorf("it writes %+v", e)
		}
	}
	// Revoked: all that it made ends, also what it made in the names of others.
	must(0, f.add(access.Entry{Kind: access.Revoke, Subject: uri(identity.Manager, "m-2")}))
	for _, p := range peers {
		if err := f.policy(now).Recheck(p); err == nil {
			t.Errorf("%s goes on", p.Identity)
		}
	}
	for name, l := range can {
		if make(l) != nil {
			t.Errorf("%s: still works", name)
		}
	}
	if p := must(f.policy(now).Admit(f.manager.Chain)); f.log.State().Role(p.Identity, p.Serial(), access.Hash(p.Key()),
		now) != identity.ManagerRole {
		t.Error("the first server's certificate ended too")
	}
}

func TestCluster_Bearer(t *testing.T) {
	f := initialise(t)
	token := must(access.NewBearerToken())
	must(0, f.add(access.Entry{Kind: access.Bearer, Subject: uri(identity.User, "ci"), Role: identity.Viewer,
		Of: token.Hash(), Expires: now.Add(time.Hour)}))
	sent := must(access.ParseBearerToken(token.Text()))
	caller := must(f.log.State().Bearer(access.Hash(sent.Hash()), now))
	if err := caller.Allow("remove a store", identity.Admin); err == nil || err.Error() != "viewer ci may not remove a store: that takes admin" {
		t.Errorf("got %v", err)
	}
	if err := caller.Allow("list stores", identity.Viewer); err != nil {
		t.Error(err)
	}
	must(0, f.add(access.Entry{Kind: access.Revoke, Of: token.Hash()}))
	if _, err := f.log.State().Bearer(access.Hash(sent.Hash()), now); err == nil {
		t.Error("a revoked token works")
	}
	if text := string(f.log.First()); strings.Contains(text, token.Text()[6:]) {
		t.Error("the log has the token")
	}
}
