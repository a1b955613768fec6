package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/identity"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// must returns a value, and ends the test if there is an error.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// cluster has what the first server of a cluster has.
type cluster struct {
	authority      *Authority
	issuer, users  *Issuer
	manager, admin *identity.Bundle
}

func newIssuer(a *Authority, kinds ...identity.Kind) *Issuer {
	key := must(NewKey())
	return &Issuer{Chain: must(a.Admit(&key.PublicKey, kinds, now)), Key: key, Roots: []*x509.Certificate{a.Root}}
}

func newCluster(name string) *cluster {
	c := &cluster{authority: must(NewAuthority(name, now))}
	c.issuer = newIssuer(c.authority, ServerKinds()...)
	c.users = newIssuer(c.authority, identity.User)
	c.manager = must(c.issuer.Issue(Leaf{Identity: identity.Identity{Kind: identity.Manager, Cluster: name,
		Name: "m-1"}}, now))
	c.admin = must(c.users.Issue(Leaf{Identity: identity.Identity{Kind: identity.User, Cluster: name, Name: "root"}}, now))
	return c
}

func id(kind identity.Kind, store, name string) identity.Identity {
	return identity.Identity{Kind: kind, Cluster: "prod", Store: store, Name: name}
}

func problem(err error) identity.Problem {
	var e *identity.Error
	if errors.As(err, &e) {
		return e.Problem
	}
	return ""
}

func TestIssuer_Leaves(t *testing.T) {
	c := newCluster("prod")
	roots := []*x509.Certificate{c.authority.Root}
	for _, x := range []struct {
		issuer *Issuer
		leaf   Leaf
	}{
		{c.issuer, Leaf{Identity: id(identity.Manager, "", "0b5a9a3e-7d0a-4a55-9f6e-0d3b7c1f4a10"), Hosts: []string{"10.0.0.1"}}},
		{c.issuer, Leaf{Identity: id(identity.Instance, "S", "s-1"), Hosts: []string{"10.0.0.1", "fd00::1", "db.example", "db.example"}, Operation: "0b5a9a3e"}},
		{c.issuer, Leaf{Identity: id(identity.App, "S", "web")}},
		{c.users, Leaf{Identity: id(identity.User, "", "ci"), Lifetime: 720 * time.Hour}},
	} {
		b := must(x.issuer.Issue(x.leaf, now))
		got, err := identity.Verify(b.Chain, roots, now)
		if err != nil || got != x.leaf.Identity {
			t.Errorf("%s: got %v, %v", x.leaf.Identity, got, err)
		}
		leaf := b.Chain[0]
		if len(b.Chain) != 2 || !leaf.NotBefore.Equal(now.Add(-backdate)) || !leaf.NotAfter.Equal(now.Add(LeafLifetime)) {
			t.Errorf("%s: %d certificates, valid from %s to %s", x.leaf.Identity, len(b.Chain), leaf.NotBefore, leaf.NotAfter)
		}
	}
	b := must(c.issuer.Issue(Leaf{Identity: id(identity.Instance, "S", "s-1"),
		Hosts: []string{"10.0.0.1", "fd00::1", "db.example", "db.example"}, Operation: "op-1"}, now))
	leaf := b.Chain[0]
	if !slices.Equal(leaf.DNSNames, []string{"db.example", "op-1.store.dkv.internal"}) ||
		len(leaf.IPAddresses) != 2 || !leaf.IPAddresses[1].Equal(net.ParseIP("fd00::1")) {
		t.Errorf("the leaf has the names %q and the addresses %v", leaf.DNSNames, leaf.IPAddresses)
	}
}

func TestIssuer_Refusals(t *testing.T) {
	c := newCluster("prod")
	many := make([]string, maxHosts+1)
	for i := range many {
		many[i] = "h"
	}
	for _, x := range []struct {
		issuer *Issuer
		leaf   Leaf
		want   string
	}{
		{c.issuer, Leaf{Identity: id(identity.User, "", "root")}, "may not make a certificate for dkv://user.prod/root"},
		{c.users, Leaf{Identity: id(identity.App, "S", "web")}, "may not make"},
		{c.issuer, Leaf{Identity: identity.Identity{Kind: identity.Manager, Cluster: "prod2", Name: "m"}}, "may not make"},
		{c.issuer, Leaf{Identity: id(identity.App, "S", "web"), Hosts: []string{"a"}}, "has no hosts"},
		{c.users, Leaf{Identity: id(identity.User, "", "ci"), Hosts: []string{"10.0.0.1"}}, "has no hosts"},
		{c.issuer, Leaf{Identity: id(identity.App, "S", "web"), Operation: "op"}, "others don't"},
		{c.issuer, Leaf{Identity: id(identity.Manager, "", "m"), Operation: "op"}, "others don't"},
		{c.issuer, Leaf{Identity: id(identity.Instance, "S", "s")}, "instances have the operation"},
		{c.issuer, Leaf{Identity: id(identity.Instance, "S", "s"), Operation: "a.b"}, "can stand in a certificate"},
		{c.issuer, Leaf{Identity: id(identity.Instance, "S", "s"), Operation: "*"}, "can stand in a certificate"},
		{c.issuer, Leaf{Identity: id(identity.Instance, "S", "s"), Operation: strings.Repeat("a", 64)}, "can't stand in a certificate"},
		{c.issuer, Leaf{Identity: id(identity.Instance, "S", "s"), Operation: "op", Hosts: []string{"other.store.dkv.internal"}}, "is kept for"},
		{c.issuer, Leaf{Identity: id(identity.Instance, "S", "s"), Operation: "op", Hosts: []string{"Other.Store.DKV.internal."}}, "is kept for"},
		{c.issuer, Leaf{Identity: id(identity.Manager, "", "m"), Hosts: []string{"x.store.dkv.internal"}}, "is kept for"},
		{c.issuer, Leaf{Identity: id(identity.Manager, "", "m"), Hosts: []string{"*.example"}}, "which no host name has"},
		{c.issuer, Leaf{Identity: id(identity.Manager, "", "m"), Hosts: many}, "too many"},
		{c.issuer, Leaf{Identity: id(identity.App, "S", "../x")}, "name"},
		{c.users, Leaf{Identity: id(identity.User, "", "ci"), Lifetime: -1}, "lifetime"},
		{c.users, Leaf{Identity: id(identity.User, "", "ci"), Lifetime: AuthorityLifetime + 1}, "lifetime"},
	} {
		_, err := x.issuer.Issue(x.leaf, now)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%+v: got %v, want an error with %q", x.leaf, err, x.want)
		}
	}
	other := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	if _, err := c.issuer.Sign(&other.PublicKey, Leaf{Identity: id(identity.Manager, "", "m")}, now); err == nil {
		t.Error("a key on P-384 is signed")
	}
	if _, err := c.authority.Admit(&other.PublicKey, ServerKinds(), now); err == nil {
		t.Error("an issuer with a key on P-384 is admitted")
	}
	if _, err := c.authority.Admit(&c.issuer.Key.PublicKey, nil, now); err == nil {
		t.Error("an issuer of no kind, which would have no constraints, is admitted")
	}
}

// An attacker with a server's issuer ignores what Sign refuses, and makes a user: the check of the chain refuses it.
func TestIssuer_StolenMakesNoUser(t *testing.T) {
	c := newCluster("prod")
	stolen := *c.issuer
	lying := *stolen.Chain[0]
	lying.PermittedURIDomains = []string{"user.prod"} // in memory only
	stolen.Chain = []*x509.Certificate{&lying}
	b, err := stolen.Issue(Leaf{Identity: id(identity.User, "", "root")}, now)
	if err != nil {
		t.Fatal(err)
	}
	chain := []*x509.Certificate{b.Chain[0], c.issuer.Chain[0]}
	if _, err := identity.Verify(chain, []*x509.Certificate{c.authority.Root}, now); problem(err) != identity.Unusable {
		t.Errorf("got %v", err)
	}
	// Nor does it help to make another issuer below the stolen one.
	key := must(NewKey())
	below := &Authority{Cluster: "prod", Root: c.issuer.Chain[0], Key: c.issuer.Key}
	deeper := &Issuer{Chain: append(must(below.Admit(&key.PublicKey, []identity.Kind{identity.User}, now)),
		c.issuer.Chain[0]), Key: key}
	b = must(deeper.Issue(Leaf{Identity: id(identity.User, "", "root")}, now))
	if _, err := identity.Verify(b.Chain, []*x509.Certificate{c.authority.Root},
		now); problem(err) != identity.Unusable {
		t.Errorf("got %v", err)
	}
}

func TestIssuer_LifetimeIsCut(t *testing.T) {
	a := must(NewAuthority("prod", now))
	key := must(NewKey())
	near := a.Root.NotAfter.Add(-24 * time.Hour)
	chain := must(a.Admit(&key.PublicKey, ServerKinds(), near))
	issuer := &Issuer{Chain: chain, Key: key}
	leaf := must(issuer.Sign(&key.PublicKey, Leaf{Identity: id(identity.Manager, "", "m")}, near))[0]
	if !chain[0].NotAfter.Equal(a.Root.NotAfter) || !leaf.NotAfter.Equal(a.Root.NotAfter) {
		t.Errorf("the root ends at %s, its issuer at %s, the leaf at %s", a.Root.NotAfter, chain[0].NotAfter, leaf.NotAfter)
	}
	late := a.Root.NotAfter.Add(time.Second)
	if _, err := a.Admit(&key.PublicKey, ServerKinds(), late); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired root admits: %v", err)
	}
	if _, err := issuer.Sign(&key.PublicKey, Leaf{Identity: id(identity.Manager, "", "m")}, late); err == nil ||
		!strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired issuer signs: %v", err)
	}
}

func TestCertificate_RenewAndWarn(t *testing.T) {
	c := newCluster("prod")
	leaf := c.manager.Chain[0]
	if got, want := RenewAt(leaf).Sub(now), 20*24*time.Hour; (got - want).Abs() > 10*time.Minute {
		t.Errorf("renewed after %s, want %s", got, want)
	}
	for _, x := range []struct {
		c     *x509.Certificate
		after time.Duration
		want  bool
	}{
		{leaf, 15 * 24 * time.Hour, false}, {leaf, 17 * 24 * time.Hour, true},
		{c.authority.Root, AuthorityLifetime - 366*24*time.Hour, false},
		{c.authority.Root, AuthorityLifetime - 364*24*time.Hour, true},
	} {
		if Warn(x.c, now.Add(x.after)) != x.want {
			t.Errorf("%s after %s: want %v", x.c.Subject, x.after, x.want)
		}
	}
}

// Whoever trusts only the old root accepts what the new one signs, as long as the chain is sent, and the other way
// round.
func TestAuthority_Rotation(t *testing.T) {
	c := newCluster("prod")
	next := must(NewAuthority("prod", now))
	next.Cross = []*x509.Certificate{must(c.authority.CrossSign(next, now))}
	renewed := newIssuer(next, ServerKinds()...)
	b := must(renewed.Issue(Leaf{Identity: id(identity.Manager, "", "m-1")}, now))
	if len(b.Chain) != 3 {
		t.Fatalf("the chain has %d certificates, want leaf, issuer and cross-signed root", len(b.Chain))
	}
	oldRoot, newRoot := c.authority.Root, next.Root
	for name, x := range map[string]struct {
		chain, roots []*x509.Certificate
		want         identity.Problem
	}{
		"new leaf, old root":                   {b.Chain, []*x509.Certificate{oldRoot}, ""},
		"new leaf, new root":                   {b.Chain, []*x509.Certificate{newRoot}, ""},
		"new leaf, both":                       {b.Chain, []*x509.Certificate{oldRoot, newRoot}, ""},
		"new leaf without the cross, old root": {b.Chain[:2], []*x509.Certificate{oldRoot}, identity.UnknownAuthority},
		"old leaf, both":                       {c.manager.Chain, []*x509.Certificate{newRoot, oldRoot}, ""},
		"old leaf, new root":                   {c.manager.Chain, []*x509.Certificate{newRoot}, identity.UnknownAuthority},
		"old leaf with the cross, new root": {append(slices.Clone(c.manager.Chain), next.Cross...),
			[]*x509.Certificate{newRoot}, identity.UnknownAuthority},
		"new leaf, roots of another cluster":    {b.Chain, []*x509.Certificate{newCluster("prod").authority.Root}, identity.UnknownAuthority},
		"new leaf with the old root, old root":  {append(slices.Clone(b.Chain), oldRoot), []*x509.Certificate{oldRoot}, ""},
		"new leaf with both roots, the old one": {append(slices.Clone(b.Chain), newRoot, oldRoot), []*x509.Certificate{oldRoot}, ""},
	} {
		if _, err := identity.Verify(x.chain, x.roots, now); problem(err) != x.want || (err == nil) != (x.want == "") {
			t.Errorf("%s: got %v, want %q", name, err, x.want)
		}
	}
	// A token made before the rotation names the old key.
	sent := append(slices.Clone(b.Chain), newRoot, oldRoot)
	root, err := identity.RootByHash(sent, identity.HashKey(oldRoot))
	if err != nil || root != oldRoot {
		t.Errorf("got %v, %v", root, err)
	}
	if _, err := identity.RootByHash(b.Chain, identity.HashKey(oldRoot)); err == nil {
		t.Error("a root is found that was not sent")
	}
	if _, err := c.authority.CrossSign(must(NewAuthority("other", now)), now); err == nil {
		t.Error("the root of another cluster is cross-signed")
	}
	// The authority comes back from its file.
	again := must(AuthorityOf(must(identity.Decode(must(next.Bundle().Encode())))))
	if again.Cluster != "prod" || !again.Root.Equal(newRoot) || len(again.Cross) != 1 || !again.Key.Equal(next.Key) {
		t.Errorf("got %+v", again)
	}
	for what, b := range map[string]*identity.Bundle{"an issuer": c.issuer.Bundle(), "a manager": c.manager} {
		if _, err := AuthorityOf(b); err == nil {
			t.Errorf("%s is taken for an authority", what)
		}
	}
	for what, b := range map[string]*identity.Bundle{"an authority": c.authority.Bundle(), "a manager": c.manager} {
		if _, err := IssuerOf(b); err == nil {
			t.Errorf("%s is taken for an issuer", what)
		}
	}
	if i := must(IssuerOf(must(identity.Decode(must(c.issuer.Bundle().Encode()))))); !i.May(identity.App, "prod") ||
		i.May(identity.User, "prod") || i.May(identity.App, "prod2") {
		t.Error("the issuer that was read back may make something else")
	}
}

func TestRequest_KeyOnly(t *testing.T) {
	key := must(NewKey())
	got := must(identity.ParseRequest(must(identity.NewRequest(key))))
	if !got.Equal(&key.PublicKey) {
		t.Error("got another key")
	}
	// Whatever else it asks for is ignored.
	asks := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "root"}, DNSNames: []string{"x"},
		URIs: []*url.URL{id(identity.User, "", "root").URI()}}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST",
		Bytes: must(x509.CreateCertificateRequest(rand.Reader, asks, key))})
	c := newCluster("prod")
	leaf := must(c.issuer.Sign(must(identity.ParseRequest(text)), Leaf{Identity: id(identity.Manager, "", "m")}, now))[0]
	if got := must(identity.Of(leaf)); got != id(identity.Manager, "", "m") || len(leaf.DNSNames) > 0 ||
		leaf.Subject.CommonName != "m" {
		t.Errorf("got %v, names %q, subject %s", got, leaf.DNSNames, leaf.Subject)
	}
	hash := must(HashPublicKey(&key.PublicKey))
	if hash != identity.HashKey(leaf) {
		t.Error("the hash of the key is not the hash of its certificate's key")
	}
}

func TestRequest_Refusals(t *testing.T) {
	key := must(NewKey())
	der := func(key any) []byte {
		return must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{},
			key))
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	good := block("CERTIFICATE REQUEST", der(key))
	forged := der(key)
	forged[len(forged)-1] ^= 1
	// The key of another one, with a signature by the sender's key.
	victim := must(NewKey())
	swapped := bytes.Replace(der(key), must(x509.MarshalPKIXPublicKey(&key.PublicKey)),
		must(x509.MarshalPKIXPublicKey(&victim.PublicKey)), 1)
	for name, x := range map[string]struct {
		text []byte
		want string
	}{
		"empty":           {nil, "not one PEM block"},
		"no PEM":          {[]byte("hello"), "not one PEM block"},
		"another block":   {block("CERTIFICATE", der(key)), "not one PEM block"},
		"two":             {slices.Concat(good, good), "not one PEM block"},
		"text before":     {append([]byte("x\n"), good...), "not one PEM block"},
		"text after":      {append(slices.Clone(good), "x"...), "not one PEM block"},
		"no DER":          {block("CERTIFICATE REQUEST", []byte("x")), "can't be read"},
		"bytes after":     {block("CERTIFICATE REQUEST", append(der(key), 0)), "can't be read"},
		"Ed25519":         {block("CERTIFICATE REQUEST", der(ed)), "type Ed25519: want ECDSA P-256"},
		"RSA":             {block("CERTIFICATE REQUEST", der(must(rsa.GenerateKey(rand.Reader, 2048)))), "type RSA: want ECDSA P-256"},
		"P-384":           {block("CERTIFICATE REQUEST", der(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))), "not ECDSA P-256"},
		"signature":       {block("CERTIFICATE REQUEST", forged), "not signed with its key"},
		"another's key":   {block("CERTIFICATE REQUEST", swapped), "not signed with its key"},
		"10 MB":           {bytes.Repeat([]byte("x"), 10<<20), "at most 8192"},
		"just over 8 KiB": {append(slices.Clone(good), bytes.Repeat([]byte("\n"), identity.MaxRequest)...), "at most 8192"},
	} {
		if _, err := identity.ParseRequest(x.text); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, x.want)
		}
	}
}

func FuzzRequest_Parse(f *testing.F) {
	f.Add(must(identity.NewRequest(must(NewKey()))))
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := identity.ParseRequest(text); err == nil && key.Curve != elliptic.P256() {
			t.Errorf("%q gives a key on another curve", text)
		}
	})
}

func TestFolder_Files(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	f := must(OpenFolder(dir))
	if mode := must(os.Stat(dir)).Mode().Perm(); mode != 0o700 {
		t.Errorf("the folder has mode %04o", mode)
	}
	c := newCluster("prod")
	if _, err := f.Load(ManagerFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	// What a crash left, readable by others, doesn't make the new file readable.
	if err := os.WriteFile(f.Path(ManagerFile)+".tmp", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []struct {
		name File
		b    *identity.Bundle
	}{{AuthorityFile, c.authority.Bundle()}, {UserIssuerFile, c.users.Bundle()}, {IssuerFile, c.issuer.Bundle()},
		{ManagerFile, c.manager}} {
		if err := f.Save(file.name, file.b); err != nil {
			t.Fatal(err)
		}
		if mode := must(os.Stat(f.Path(file.name))).Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %04o", file.name, mode)
		}
		if b := must(f.Load(file.name)); !b.Key.Equal(file.b.Key) || !b.Chain[0].Equal(file.b.Chain[0]) {
			t.Errorf("%s holds something else", file.name)
		}
	}
	if err := f.SaveRoots([]*x509.Certificate{c.authority.Root, c.authority.Root}); err != nil {
		t.Fatal(err)
	}
	if roots := must(f.LoadRoots()); len(roots) != 2 || !roots[1].Equal(c.authority.Root) {
		t.Errorf("got %d roots", len(roots))
	}
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(dir); err == nil || !strings.Contains(err.Error(), "chmod 700 "+dir) {
		t.Errorf("a folder that others can enter: %v", err)
	}
	if err := f.SaveRoots([]*x509.Certificate{c.manager.Chain[0]}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.LoadRoots(); err == nil || !strings.Contains(err.Error(), "not an authority's") {
		t.Errorf("a leaf among the roots: %v", err)
	}
}

// openssl accepts the chains, with the constraints, and refuses what they forbid.
func TestChain_OpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("there is no openssl here: crypto/x509 alone checks the chains")
		return
	}
	dir := t.TempDir()
	c := newCluster("prod")
	write := func(name string, chain ...*x509.Certificate) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, identity.EncodeRoots(chain), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(args ...string) (string, error) {
		out, err := exec.Command(openssl, args...).CombinedOutput()
		return string(out), err
	}
	at := []string{"-attime", "1796040000"} // 2026-11-30 12:00
	verify := func(name string, root *x509.Certificate, chain []*x509.Certificate, purpose string) (string, error) {
		args := append([]string{"verify", "-x509_strict", "-purpose", purpose, "-CAfile", write(name+"-root", root)}, at...)
		return run(append(args, "-untrusted", write(name+"-above", chain[1:]...), write(name, chain[0]))...)
	}
	instance := must(c.issuer.Issue(Leaf{Identity: id(identity.Instance, "S", "s-1"),
		Hosts: []string{"10.0.0.1", "db.example"}, Operation: "op-1"}, now))
	for _, x := range []struct {
		name, purpose string
		chain         []*x509.Certificate
	}{
		{"manager", "sslserver", c.manager.Chain}, {"manager", "sslclient", c.manager.Chain},
		{"instance", "sslserver", instance.Chain}, {"instance", "sslclient", instance.Chain}, {"user", "sslclient", c.admin.Chain},
	} {
		if out, err := verify(x.name, c.authority.Root, x.chain, x.purpose); err != nil {
			t.Errorf("%s as %s: %s", x.name, x.purpose, out)
		}
	}
	next := must(NewAuthority("prod", now))
	next.Cross = []*x509.Certificate{must(c.authority.CrossSign(next, now))}
	rotated := must(newIssuer(next, ServerKinds()...).Issue(Leaf{Identity: id(identity.Manager, "", "m")}, now))
	if out, err := verify("rotated", c.authority.Root, rotated.Chain, "sslserver"); err != nil {
		t.Errorf("the cross-signed chain: %s", out)
	}
	lying := *c.issuer.Chain[0]
	lying.PermittedURIDomains = []string{"user.prod"}
	stolen := must((&Issuer{Chain: []*x509.Certificate{&lying},
		Key: c.issuer.Key}).Issue(Leaf{Identity: id(identity.User, "", "root")}, now))
	if out, err := verify("stolen", c.authority.Root, stolen.Chain, "sslclient"); err == nil || !strings.Contains(out, "subtree violation") {
		t.Errorf("a user made by a server's issuer: %s", out)
	}
	out, err := run("x509", "-in", write("text", instance.Chain[0]), "-noout", "-text")
	for _, want := range []string{"URI:dkv://instance.prod/S/s-1", "DNS:op-1.store.dkv.internal", "DNS:db.example", "IP Address:10.0.0.1", "P-256", "CA:FALSE", "Nov 30 11:50:00 2026 GMT", "Dec 30 12:00:00 2026 GMT"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("openssl shows no %q: %v\n%s", want, err, out)
		}
	}
	out, err = run("x509", "-in", write("issuer", c.issuer.Chain[0]), "-noout", "-text")
	for _, want := range []string{"X509v3 Name Constraints: critical", "URI:manager.prod", "URI:instance.prod", "URI:app.prod", "CA:TRUE, pathlen:0"} {
		if err != nil || !strings.Contains(out, want) || strings.Contains(out, "user.prod") {
			t.Errorf("openssl shows no %q: %v\n%s", want, err, out)
		}
	}
	request := filepath.Join(dir, "request")
	if err := os.WriteFile(request, must(identity.NewRequest(c.issuer.Key)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run("req", "-in", request, "-verify", "-noout"); err != nil {
		t.Errorf("openssl refuses the request: %s", out)
	}
}
