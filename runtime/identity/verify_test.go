package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// must returns a value, and ends the test if there is an error.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serial int64

// make makes a certificate as p's key signs it, whatever p may sign; nil signs it with its own key.
func (p *pair) make(change func(*x509.Certificate)) *pair {
	serial++
	t := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprint("c", serial)},
		BasicConstraintsValid: true,
		NotBefore:             now.Add(-time.Hour), NotAfter: now.Add(time.Hour), MaxPathLen: -1,
	}
	change(t)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	above := &pair{t, key}
	if p != nil {
		above = p
	}
	return &pair{must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, t, above.cert, &key.PublicKey,
		above.key)))), key}
}

func authority(t *x509.Certificate) { t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign }

// issuer makes an authority of path length 0 for hosts.
func (p *pair) issuer(hosts ...string) *pair {
	return p.make(func(t *x509.Certificate) {
		authority(t)
		t.MaxPathLen, t.MaxPathLenZero, t.PermittedURIDomains = 0, true, hosts
	})
}

// leaf makes a leaf with URIs, which may be invalid, and the usages of its kind.
func (p *pair) leaf(uris ...string) *pair {
	return p.make(func(t *x509.Certificate) { leafNames(t, uris) })
}

func leafNames(t *x509.Certificate, uris []string) {
	for _, u := range uris {
		parsed := must(url.Parse(u))
		t.URIs = append(t.URIs, parsed)
	}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(uris) > 0 && (strings.HasPrefix(uris[0], "dkv://manager") || strings.HasPrefix(uris[0], "dkv://instance")) {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
}

// chain returns certificates as a peer sends them.
func chain(pairs ...*pair) []*x509.Certificate {
	var out []*x509.Certificate
	for _, p := range pairs {
		out = append(out, p.cert)
	}
	return out
}

func problem(err error) Problem {
	var e *Error
	if errors.As(err, &e) {
		return e.Problem
	}
	return ""
}

func TestVerify_Problems(t *testing.T) {
	root := (*pair)(nil).make(authority)
	issuer := root.issuer("manager.prod", "instance.prod", "app.prod")
	users := root.issuer("user.prod")
	free := root.make(func(t *x509.Certificate) { authority(t); t.MaxPathLen, t.MaxPathLenZero = 0, true })
	wide := root.make(func(t *x509.Certificate) { authority(t); t.PermittedURIDomains = []string{"user.prod"} })
	parent := root.issuer(".prod", "prod")
	revoked := root.issuer("manager.prod")
	leafAsAuthority := users.leaf("dkv://user.prod/a")
	below := users.issuer("user.prod")
	manager := issuer.leaf("dkv://manager.prod/m")
	stranger := (*pair)(nil).make(authority)
	old := root.make(func(t *x509.Certificate) {
		authority(t)
		t.MaxPathLen, t.MaxPathLenZero,
			t.PermittedURIDomains = 0, true, []string{"user.prod"}
		t.NotAfter = now.Add(-time.Minute)
	})
	timed := func(from, to time.Duration) *pair {
		return users.make(func(t *x509.Certificate) {
			leafNames(t, []string{"dkv://user.prod/a"})
			t.NotBefore,
				t.NotAfter = now.Add(from), now.Add(to)
		})
	}
	long := chain(users.leaf("dkv://user.prod/a"))
	for len(long) <= maxChain {
		long = append(long, users.cert)
	}
	p := &Policy{
		Roots: chain(root), Cluster: "prod", Now: func() time.Time { return now },
		Revoked: func(s *big.Int) bool { return s.Cmp(revoked.cert.SerialNumber) == 0 },
	}
	a := users.leaf("dkv://user.prod/a")
	lapsed := timed(-2*time.Hour, -time.Hour)
	strangeOld := stranger.make(func(t *x509.Certificate) {
		leafNames(t,
			[]string{"dkv://user.prod/a"})
		t.NotAfter = now.Add(-time.Minute)
	})
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		want  Problem
	}{
		"manager":                    {chain(manager, issuer), ""},
		"with the root":              {chain(manager, issuer, root), ""},
		"user":                       {chain(a, users), ""},
		"user of the root itself":    {chain(root.leaf("dkv://user.prod/a")), ""},
		"more than needed":           {chain(a, issuer, stranger, users), ""},
		"nothing":                    {nil, NoCertificate},
		"no URI":                     {chain(users.leaf(), users), NoIdentity},
		"a web address":              {chain(users.leaf("https://user.prod/a"), users), NoIdentity},
		"upper case scheme":          {chain(rawURI(users, "DKV://user.prod/a"), users), NoIdentity},
		"escaped":                    {chain(rawURI(users, "dkv://user.prod/%61"), users), NoIdentity},
		"two identities":             {chain(users.leaf("dkv://user.prod/a", "dkv://user.prod/b"), users), ManyIdentities},
		"an identity and an address": {chain(users.leaf("dkv://user.prod/a", "https://x"), users), ManyIdentities},
		"another cluster":            {chain(root.leaf("dkv://user.test/a")), WrongCluster},
		"unknown authority":          {chain(stranger.leaf("dkv://user.prod/a")), UnknownAuthority},
		"unknown, with its root":     {chain(stranger.leaf("dkv://user.prod/a"), stranger), UnknownAuthority},
		"unknown and expired":        {chain(strangeOld), UnknownAuthority},
		"without its issuer":         {chain(a), UnknownAuthority},
		"with another issuer":        {chain(a, issuer), UnknownAuthority},
		"self-signed":                {chain((*pair)(nil).leaf("dkv://user.prod/a")), UnknownAuthority},
		"expired":                    {chain(lapsed, users), Expired},
		"not yet valid":              {chain(timed(time.Minute, time.Hour), users), NotYetValid},
		"issuer expired":             {chain(old.leaf("dkv://user.prod/a"), old), Expired},
		"user of a server's issuer":  {chain(issuer.leaf("dkv://user.prod/a"), issuer), Unusable},
		"manager of users' issuer":   {chain(users.leaf("dkv://manager.prod/m"), users), Unusable},
		"issuer without constraints": {chain(free.leaf("dkv://user.prod/a"), free), Unusable},
		"constraint of a domain":     {chain(parent.leaf("dkv://user.prod/a"), parent), Unusable},
		"constrained, may go on":     {chain(wide.leaf("dkv://user.prod/a"), wide), Unusable},
		"signed by a leaf":           {chain(leafAsAuthority.leaf("dkv://user.prod/b"), leafAsAuthority, users), UnknownAuthority},
		"authority as a leaf":        {chain(root.make(func(t *x509.Certificate) { authority(t); leafNames(t, []string{"dkv://user.prod/a"}) })), Unusable},
		"issuer below an issuer":     {chain(below.leaf("dkv://user.prod/a"), below, users), Unusable},
		"a user that serves": {chain(users.make(func(t *x509.Certificate) {
			leafNames(t,
				[]string{"dkv://user.prod/a"})
			t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		}), users), Unusable},
		"a manager that serves not": {chain(issuer.make(func(t *x509.Certificate) {
			leafNames(t,
				[]string{"dkv://manager.prod/a"})
			t.ExtKeyUsage = t.ExtKeyUsage[:1]
		}), issuer), Unusable},
		"no usage": {chain(users.make(func(t *x509.Certificate) {
			leafNames(t,
				[]string{"dkv://user.prod/a"})
			t.ExtKeyUsage = nil
		}), users), Unusable},
		"too long":       {long, Unusable},
		"revoked issuer": {chain(revoked.leaf("dkv://manager.prod/m"), revoked), IsRevoked},
	} {
		peer, err := p.Admit(c.chain)
		if problem(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if err == nil && (peer.Identity != must(Of(c.chain[0])) || p.Recheck(peer) != nil) {
			t.Errorf("%s: got %v, rechecked %v", name, peer.Identity, p.Recheck(peer))
		}
	}
	p.Kinds = []Kind{Manager, Instance}
	if _, err := p.Admit(chain(a, users)); problem(err) != WrongKind || err.Error() != "user a of cluster prod can't be used here: expected the certificate of a manager or an instance" {
		t.Errorf("got %v", err)
	}
}

// rawURI makes a leaf whose alternative names hold a URI byte for byte.
func rawURI(p *pair, uri string) *pair {
	return p.make(func(t *x509.Certificate) {
		leafNames(t, nil)
		names := must(asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(uri)}}))
		t.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: names}}
	})
}

// The constraints are enforced here whatever crypto/x509 thinks of them.
func TestVerify_ConstraintsByItself(t *testing.T) {
	root := (*pair)(nil).make(authority)
	issuer := root.issuer("manager.prod", "app.prod")
	cross := root.make(authority)
	user, manager := Identity{User, "prod", "", "a"}, Identity{Manager, "prod", "", "m"}
	leaf := root.leaf("dkv://user.prod/a")
	for name, c := range map[string]struct {
		path []*x509.Certificate
		id   Identity
		ok   bool
	}{
		"manager":                {chain(leaf, issuer, root), manager, true},
		"manager below a cross":  {chain(leaf, issuer, cross, root), manager, true},
		"user below the root":    {chain(leaf, root), user, true},
		"user below a cross":     {chain(leaf, cross, root), user, true},
		"user":                   {chain(leaf, issuer, root), user, false},
		"another cluster":        {chain(leaf, issuer, root), Identity{Manager, "prod2", "", "m"}, false},
		"authority below issuer": {chain(leaf, cross, issuer, root), manager, false},
		"issuer below issuer":    {chain(leaf, issuer, issuer, root), manager, false},
		"leaf as an authority":   {chain(leaf, leaf, root), manager, false},
		"nothing above":          {chain(leaf), manager, false},
		"no right to sign": {chain(leaf,
			root.make(func(t *x509.Certificate) { t.IsCA, t.KeyUsage = true, x509.KeyUsageDigitalSignature }), root), user,
			false},
		"constraint of the domain": {chain(leaf, root.issuer("prod"), root), manager, false},
		"constraint in upper case": {chain(leaf, root.issuer("MANAGER.prod"), root), manager, false},
	} {
		if err := checkPath(c.path, c.id); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerify_Recheck(t *testing.T) {
	root, other := (*pair)(nil).make(authority), (*pair)(nil).make(authority)
	issuer := root.issuer("user.prod")
	leaf := issuer.leaf("dkv://user.prod/a")
	clock, gone := now, map[string]bool{}
	p := &Policy{
		Roots: chain(root), Cluster: "prod", Now: func() time.Time { return clock },
		Revoked: func(s *big.Int) bool { return gone[s.String()] },
	}
	peer := must(p.Admit(chain(leaf, issuer)))
	if p.Recheck(peer) != nil || !peer.NotAfter().Equal(leaf.cert.NotAfter) ||
		peer.Serial().Cmp(leaf.cert.SerialNumber) != 0 {
		t.Errorf("got %v, until %s, serial %s", p.Recheck(peer), peer.NotAfter(), peer.Serial())
	}
	for _, c := range []*pair{leaf, issuer} {
		gone[c.cert.SerialNumber.String()] = true
		if problem(p.Recheck(peer)) != IsRevoked {
			t.Errorf("revoked: got %v", p.Recheck(peer))
		}
		clear(gone)
	}
	gone[root.cert.SerialNumber.String()] = true // a root is not revoked but removed
	if err := p.Recheck(peer); err != nil {
		t.Errorf("got %v", err)
	}
	rotated := *p
	rotated.Roots = chain(root, other)
	if !rotated.IsOld(peer) || p.IsOld(peer) {
		t.Errorf("a peer of the earlier of two roots is old: %v, of the only root: %v", rotated.IsOld(peer), p.IsOld(peer))
	}
	gone[leaf.cert.SerialNumber.String()] = true
	if rotated.IsOld(peer) {
		t.Error("a peer that is revoked is old")
	}
	clear(gone)
	clock = now.Add(2 * time.Hour)
	if problem(p.Recheck(peer)) != Expired {
		t.Errorf("expired: got %v", p.Recheck(peer))
	}
	clock = now
	for want, q := range map[Problem]*Policy{
		UnknownAuthority: {Roots: chain(other), Now: p.Now},
		WrongCluster:     {Roots: chain(root), Cluster: "test", Now: p.Now},
		WrongKind:        {Roots: chain(root), Kinds: []Kind{App}, Now: p.Now},
	} {
		if err := q.Recheck(peer); problem(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestVerify_Messages(t *testing.T) {
	root := (*pair)(nil).make(authority)
	leaf := root.leaf("dkv://app.prod/Orders/web")
	verify := func(at time.Time) *Error {
		_, err := Verify(chain(leaf), chain(root), at)
		var e *Error
		errors.As(err, &e)
		return e
	}
	late := now.Add(75 * time.Hour)
	e := verify(late)
	for _, c := range []struct{ got, want string }{
		{e.Error(), "the certificate of app web of store Orders in cluster prod expired at 2026-11-30 13:00:00 UTC, 3 days ago: the clock here says 2026-12-03 15:00:00 UTC"},
		{e.WithPeerTime(now).Error(), "the clock here says 2026-12-03 15:00:00 UTC, the peer's clock 2026-11-30 12:00:00 UTC; they are 3 days apart: set the wrong one"},
		{e.WithPeerTime(late.Add(time.Minute)).Error(), "2026-12-03 15:00:00 UTC, the peer's clock 2026-12-03 15:01:00 UTC"},
		{verify(now.Add(-3 * time.Hour)).Error(), "is not valid before 2026-11-30 11:00:00 UTC: the clock here says 2026-11-30 09:00:00 UTC"},
	} {
		if !strings.HasSuffix(c.got, c.want) {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if !e.PeerNow.IsZero() {
		t.Error("telling the peer's time changed the error")
	}
}

// bundle returns what a peer with this leaf has.
func bundle(root *pair, leaf *pair, above ...*pair) *Bundle {
	b := &Bundle{Chain: append(chain(leaf), chain(above...)...), Key: leaf.key, Roots: chain(root)}
	b.Cluster = must(Of(leaf.cert)).Cluster
	return b
}

// connect shakes hands, and returns the error of each side. The client reads one byte, since with TLS 1.3 it learns
// only then that the server refused it.
func connect(t *testing.T, server, client *tls.Config) (state tls.ConnectionState, atServer, atClient error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	s := tls.Server(a, server)
	go func() {
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x"))
		}
		if err != nil {
			a.Close()
		}
		done <- err
	}()
	c := tls.Client(b, client)
	if atClient = c.Handshake(); atClient == nil {
		_, atClient = c.Read(make([]byte, 1))
	}
	b.Close()
	atServer = <-done
	return s.ConnectionState(), atServer, atClient
}

func TestTLS_Connections(t *testing.T) {
	root, foreign := (*pair)(nil).make(authority), (*pair)(nil).make(authority)
	issuer, users := root.issuer("manager.prod"), root.issuer("user.prod")
	manager := bundle(root, issuer.leaf("dkv://manager.prod/m"), issuer)
	user := bundle(root, users.leaf("dkv://user.prod/a"), users)
	other := bundle(foreign, foreign.leaf("dkv://user.test/b"))
	forged := bundle(foreign, foreign.leaf("dkv://user.prod/a"))
	forged.Roots = chain(root) // it trusts the true managers
	forgedManager := bundle(foreign, foreign.leaf("dkv://manager.prod/m"))
	token := &Bundle{Token: "t", Cluster: "prod", Roots: chain(root)}
	clock := func() time.Time { return now }
	var revoked *big.Int
	server := func(b *Bundle, require bool) *tls.Config {
		return Server{
			Certificate: func() (*tls.Certificate, error) { return b.TLS(true), nil },
			Policy: func() *Policy {
				p := manager.Policy(clock, User)
				p.Revoked = func(s *big.Int) bool { return revoked != nil && s.Cmp(revoked) == 0 }
				return p
			},
			RequireClient: require, Protocols: []string{"http/1.1"},
		}.Config()
	}
	client := func(credentials ...*Bundle) *tls.Config {
		return Client{
			Credentials: func() []*Bundle { return credentials },
			Policy:      func(b *Bundle) *Policy { return b.Policy(clock, Manager) },
			Protocols:   []string{"http/1.1"},
		}.Config()
	}
	for _, c := range []struct {
		name             string
		server, client   *tls.Config
		serverOK         bool
		problem          Problem // of the server's chain, for the client
		shown            string
		refusedByAnAlert bool
	}{
		{"user", server(manager, true), client(user), true, "", "dkv://user.prod/a", false},
		{"the right one of several", server(manager, true), client(other, token, user), true, "", "dkv://user.prod/a", false},
		{"token", server(manager, false), client(token), true, "", "", false},
		{"token where a certificate is required", server(manager, true), client(token), false, "", "", true},
		{"forged client, required", server(manager, true), client(forged), false, "", "", true},
		{"forged client, not required", server(manager, false), client(forged), true, "", "dkv://user.prod/a", false},
		{"forged and another's, not required", server(manager, false), client(forged, other), true, "", "", false},
		{"no credential", server(manager, false), client(), false, "", "", true},
		{"another cluster's credential", server(manager, false), client(other), false, WrongCluster, "", false},
		{"forged server", server(forgedManager, false), client(user), false, UnknownAuthority, "", false},
		{"user as a server", server(user, false), client(user), false, WrongKind, "", false},
	} {
		state, atServer, atClient := connect(t, c.server, c.client)
		if (atServer == nil) != c.serverOK || problem(atClient) != c.problem {
			t.Errorf("%s: the server says %v, the client %v", c.name, atServer, atClient)
		}
		if (atClient == nil) != (c.serverOK && !c.refusedByAnAlert) {
			t.Errorf("%s: the client says %v", c.name, atClient)
		}
		if admitted := len(state.PeerCertificates) > 0 && c.name != "forged client, not required"; atServer == nil {
			if _, err := manager.Policy(clock, User).Admit(state.PeerCertificates); (err == nil) != admitted {
				t.Errorf("%s: admitted with %v", c.name, err)
			}
		}
		shown := ""
		if atServer == nil && len(state.PeerCertificates) > 0 {
			shown = must(Of(state.PeerCertificates[0])).String()
		}
		if shown != c.shown || atServer == nil && (state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "http/1.1") {
			t.Errorf("%s: shown %q, version %x, protocol %q", c.name, shown, state.Version, state.NegotiatedProtocol)
		}
	}
	old := client(user)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, atServer, _ := connect(t, server(manager, true), old); atServer == nil {
		t.Error("the server takes TLS 1.2")
	}
	revoked = user.Chain[0].SerialNumber
	if _, atServer, _ := connect(t, server(manager, true), client(user)); problem(atServer) != IsRevoked {
		t.Errorf("a revoked client: %v", atServer)
	}
	expected := Client{
		Credentials: func() []*Bundle { return []*Bundle{user} },
		Policy:      func(b *Bundle) *Policy { return b.Policy(clock, Manager) },
		Accepted: func(p *Peer) error {
			if p.Identity.Name != "m2" {
				return errors.New("expected m2")
			}
			return nil
		},
	}.Config()
	if _, _, atClient := connect(t, server(manager, false), expected); atClient == nil ||
		!strings.Contains(atClient.Error(), "expected m2") {
		t.Errorf("another manager: %v", atClient)
	}
}

// A client that keeps sessions resumes none, so that each connection is checked in full.
func TestTLS_NoResumption(t *testing.T) {
	root := (*pair)(nil).make(authority)
	manager := bundle(root, root.leaf("dkv://manager.prod/m"))
	user := bundle(root, root.leaf("dkv://user.prod/a"))
	clock := func() time.Time { return now }
	server := Server{
		Certificate:   func() (*tls.Certificate, error) { return manager.TLS(true), nil },
		Policy:        func() *Policy { return manager.Policy(clock, User) },
		RequireClient: true,
	}.Config()
	client := Client{
		Credentials: func() []*Bundle { return []*Bundle{user} },
		Policy:      func(b *Bundle) *Policy { return b.Policy(clock, Manager) },
	}.Config()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	client.ServerName = "m"
	for range 3 {
		state, atServer, atClient := connect(t, server, client)
		if atServer != nil || atClient != nil || state.DidResume {
			t.Errorf("got %v, %v, resumed %v", atServer, atClient, state.DidResume)
		}
	}
	if _, found := client.ClientSessionCache.Get("m"); found {
		t.Error("the server gave a session ticket")
	}
}

func TestTLS_RenewedInPlace(t *testing.T) {
	root := (*pair)(nil).make(authority)
	user := bundle(root, root.leaf("dkv://user.prod/a"))
	current := bundle(root, root.leaf("dkv://manager.prod/m"))
	clock := func() time.Time { return now }
	server := Server{
		Certificate: func() (*tls.Certificate, error) { return current.TLS(false), nil },
		Policy:      func() *Policy { return user.Policy(clock, User) },
	}.Config()
	var seen []string
	client := Client{
		Credentials: func() []*Bundle { return []*Bundle{user} },
		Policy:      func(b *Bundle) *Policy { return b.Policy(clock, Manager) },
		Accepted:    func(p *Peer) error { seen = append(seen, p.Serial().String()); return nil },
	}.Config()
	want := []string{current.Chain[0].SerialNumber.String()}
	connect(t, server, client)
	current = bundle(root, root.leaf("dkv://manager.prod/m"))
	want = append(want, current.Chain[0].SerialNumber.String())
	connect(t, server, client)
	if !slices.Equal(seen, want) {
		t.Errorf("the client saw the certificates %q, want %q", seen, want)
	}
}

// edited returns a text with changes, four bytes each: what is done, at which place (two bytes), and with which byte.
// Fuzz tests change texts that they made themselves, since each process has other keys.
func edited(text, edits []byte) []byte {
	out := slices.Clone(text)
	for ; len(edits) >= 4 && len(out) > 0; edits = edits[4:] {
		at, value := (int(edits[1])<<8+int(edits[2]))%len(out), edits[3]
		to := min(len(out), at+int(value))
		switch edits[0] % 5 {
		case 0:
			out[at] ^= value
		case 1:
			out = slices.Delete(out, at, to)
		case 2:
			out = slices.Insert(out, at, value)
		case 3:
			out = slices.Insert(out, at, slices.Clone(out[at:to])...)
		case 4:
			out = out[:at]
		}
	}
	return out
}

func FuzzVerify_Certificate(f *testing.F) {
	root := (*pair)(nil).make(authority)
	issuer := root.issuer("user.prod")
	leaf := issuer.leaf("dkv://user.prod/a")
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0, 1, 4, 1}, []byte{0, 1, 4, 1})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, err := x509.ParseCertificate(edited(leaf.cert.Raw, a))
		if err != nil {
			return
		}
		sent := []*x509.Certificate{x}
		y, err := x509.ParseCertificate(edited(issuer.cert.Raw, b))
		if err == nil {
			sent = append(sent, y)
		}
		got, err := Verify(sent, chain(root), now)
		if err == nil && (got.String() != "dkv://user.prod/a" || string(x.RawTBSCertificate) != string(leaf.cert.RawTBSCertificate) ||
			string(y.RawTBSCertificate) != string(issuer.cert.RawTBSCertificate)) {
			t.Errorf("a changed certificate is taken as %s", got)
		}
		if err != nil && (problem(err) == "" || err.Error() == "") {
			t.Errorf("the error %v has no problem", err)
		}
	})
}
