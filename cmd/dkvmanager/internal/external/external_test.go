package external

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/identity"
	"dkvrun/runtime/identity/identitytest"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// folder has the files of a test.
type folder struct {
	t   *testing.T
	dir string
	ca  *identitytest.External
}

func newFolder(t *testing.T) *folder {
	return &folder{t, t.TempDir(), must(identitytest.NewExternal("Example"))}
}

// write replaces a file, as programs that renew certificates do.
func (f *folder) write(name string, content []byte) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// server writes the certificate of a server and its key.
func (f *folder) server(name string, change func(*x509.Certificate)) (certificate, key string) {
	f.t.Helper()
	t := x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{"db1.example.org"}}
	if change != nil {
		change(&t)
	}
	text, secret, err := identitytest.IssueExternal(f.ca, t)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.write(name+".crt", text), f.write(name+".key", secret)
}

func (f *folder) root() []byte { return identitytest.ExternalRoot(f.ca) }

func TestFiles_Refusals(t *testing.T) {
	f := newFolder(t)
	cert, key := f.server("db1", nil)
	other, _ := f.server("db2", nil)
	expired, expiredKey := f.server("old", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	early, earlyKey := f.server("early", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) })
	client, clientKey := f.server("client", func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	authority, authorityKey := f.server("ca", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	ca, people := f.write("ca.pem", f.root()), f.write("people", []byte("dns:ci.example.org -> dkv://user.prod/ci operator\n"))
	cut := f.write("cut.crt", must(os.ReadFile(cert))[:200])
	empty, open := f.write("empty", nil), f.write("open.key", must(os.ReadFile(key)))
	writable := f.write("writable", must(os.ReadFile(people)))
	for path, mode := range map[string]os.FileMode{open: 0o644, writable: 0o666} {
		must(0, os.Chmod(path, mode))
	}
	secret := string(bytes.TrimSpace(must(os.ReadFile(key))[40:80]))
	for name, c := range map[string]struct {
		files Files
		want  string
	}{
		"good":              {Files{cert, key, ca, people}, ""},
		"certificate alone": {Files{Certificate: cert, Key: key}, ""},
		"clients alone":     {Files{CA: ca, Identities: people}, ""},
		"wrong pair":        {Files{other, key, ca, people}, `db1.key is not the key of the certificate in ` + other + `, which is for "CN=db2"`},
		"expired":           {Files{expired, expiredKey, ca, people}, "old.crt expired at "},
		"not valid yet":     {Files{early, earlyKey, ca, people}, "early.crt is not valid before "},
		"a client's":        {Files{client, clientKey, ca, people}, "client.crt may not be used by a server"},
		"an authority's":    {Files{authority, authorityKey, ca, people}, "ca.crt is an authority's"},
		"damaged":           {Files{cut, key, ca, people}, "cut.crt has a PEM block that can't be read: it may be cut off"},
		"no certificate":    {Files{empty, key, ca, people}, "empty is not the chain of a certificate"},
		"no key":            {Files{cert, cert, ca, people}, "db1.crt has no key that can be read"},
		"open key":          {Files{cert, open, ca, people}, "run chmod 600"},
		"no file":           {Files{filepath.Join(f.dir, "none"), key, ca, people}, "none: no such file"},
		"ca is a server's":  {Files{cert, key, cert, people}, "has a certificate at its end that is not an authority's"},
		"ca is empty":       {Files{cert, key, empty, people}, "--tls-ca: the file " + empty},
		"writable mapping":  {Files{cert, key, ca, writable}, "others can write it (mode 0666): run chmod go-w"},
		"no mapping":        {Files{cert, key, ca, filepath.Join(f.dir, "none")}, "--tls-identities: open "},
	} {
		_, err := Open(c.files, "prod", time.Now)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: the error has a second line, or shows the key: %v", name, err)
		}
	}
	for _, half := range []Files{{Certificate: "x"}, {Key: "x"}, {CA: "x"}, {Identities: "x"}, {Certificate: "x", Key: "x", CA: "x"}} {
		if err := half.Check(); err == nil || !strings.Contains(err.Error(), "belong together") {
			t.Errorf("%+v: %v", half, err)
		}
	}
}

func TestIdentities_Lines(t *testing.T) {
	for line, want := range map[string]string{
		"dns:ci.example.org -> dkv://user.prod/ci operator":                  "",
		"subject:CN=Ann Example,O=Example Corp -> dkv://user.prod/ann admin": "",
		"email:bob@example.org   ->   dkv://user.prod/bob    viewer":         "",
		"uri:spiffe://example.org/web -> dkv://app.prod/OrdersStore/web":     "",
		"dns:report -> dkv://app.prod/OrdersStore/report app-readonly":       "",
		"# a comment": "",
		"ci.example.org -> dkv://user.prod/ci operator": `unknown kind of name "ci.example.org"`,
		"cn:ci -> dkv://user.prod/ci operator":          `unknown kind of name "cn"`,
		"dns: -> dkv://user.prod/ci operator":           "has nothing after the colon of dns",
		"dns:a dkv://user.prod/ci operator":             "want KIND:VALUE -> URI ROLE",
		"dns:a -> dkv://user.prod/ci operator -> x":     "want KIND:VALUE -> URI ROLE",
		"dns:a ->":                                           "want KIND:VALUE -> URI ROLE",
		"dns:a -> ci operator":                               "is not an identity",
		"dns:a -> dkv://user.prod/ci":                        "gives user ci no role",
		"dns:a -> dkv://user.prod/ci root":                   "is not a role of a user",
		"dns:a -> dkv://user.prod/ci admin now":              "has 3 words",
		"dns:a -> dkv://user.test/ci admin":                  "this manager is of cluster prod",
		"dns:a -> dkv://manager.prod/m-1":                    "is about a manager: want a user or an app",
		"dns:a -> dkv://instance.prod/S/s-1":                 "is about a instance",
		"dns:a -> dkv://app.prod/S/web admin":                "is not a role of a app",
		"uri:dkv://user.prod/ci -> dkv://user.prod/ci admin": "only certificates of the cluster's own authority may have",
		"dns:a\x1b[2J -> dkv://user.prod/ci admin":           "characters that are not text",
	} {
		_, n, err := parseIdentities("\n"+line+"\n", "prod")
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || n != 2) {
			t.Errorf("%q: line %d, %v, want %q", line, n, err, want)
		}
	}
	const twice = "dns:a -> dkv://user.prod/ci viewer\n\ndns:a -> dkv://user.prod/ann viewer"
	if _, n, err := parseIdentities(twice, "prod"); n != 3 || err == nil || err.Error() != "names dns:a, which line 1 does already" {
		t.Errorf("one name twice: %d, %v", n, err)
	}
	if _, n, err := parseIdentities(strings.Repeat("dns:a -> dkv://user.prod/ci viewer\n", maxLines+1), "prod"); n == 0 || err == nil {
		t.Error("as many lines as anybody likes are read")
	}
}

func FuzzIdentities_Parse(f *testing.F) {
	for _, seed := range []string{
		"", "#", "dns:ci.example.org -> dkv://user.prod/ci operator\n", "subject:CN=a,O=b -> dkv://app.prod/S/web\r\n",
		"uri:spiffe://x -> dkv://user.prod/ann admin\ndns:a->b", "email:\x00", ":: -> ::",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clients, n, err := parseIdentities(text, "prod")
		if (err != nil) != (n > 0) || err != nil && clients != nil {
			t.Fatalf("line %d, %v, %v", n, err, clients)
		}
		for _, c := range clients {
			id, err := identity.Parse(c.URI)
			if err != nil || id.Cluster != "prod" || identity.CheckRole(id.Kind, c.Role) != nil || c.Name.Value == "" {
				t.Fatalf("%+v: %v", c, err)
			}
		}
	})
}

// policy returns who is accepted by what a source says now, as an instance of a store gets it.
func policy(t *testing.T, s *Source) *identity.Policy {
	t.Helper()
	text := must(json.Marshal(s.Content().ForStore("S")))
	var c Content
	must(0, json.Unmarshal(text, &c))
	use := must(c.Use())
	return &identity.Policy{Roots: []*x509.Certificate{}, Cluster: "prod", Now: time.Now, External: use.Policy}
}

func TestContent_Who(t *testing.T) {
	f := newFolder(t)
	foreign := must(identitytest.NewExternal("Foreign"))
	people := `dns:ci.example.org -> dkv://user.prod/ci operator
subject:CN=Ann,O=Example -> dkv://user.prod/ann admin
email:ann@example.org -> dkv://user.prod/ann admin
email:bob@example.org -> dkv://user.prod/bob viewer
dns:web -> dkv://app.prod/S/web
dns:other -> dkv://app.prod/T/other
`
	s := must(Open(Files{CA: f.write("ca.pem", f.root()), Identities: f.write("people", []byte(people))}, "prod", time.Now))
	names := func(cn string, dns, email []string) x509.Certificate {
		return x509.Certificate{
			Subject:  pkix.Name{Organization: []string{"Example"}, CommonName: cn},
			DNSNames: dns, EmailAddresses: email,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
	}
	two := names("", nil, nil)
	for _, cn := range []string{"Eve", "Ann"} {
		two.Subject.ExtraNames = append(two.Subject.ExtraNames,
			pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: cn})
	}
	ended, serves := names("Ann", nil, nil), names("Ann", nil, nil)
	ended.NotAfter, serves.ExtKeyUsage = time.Now().Add(-time.Second), []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	chain := func(by *identitytest.External, t x509.Certificate) []*x509.Certificate {
		text, _, err := identitytest.IssueExternal(by, t)
		must(0, err)
		b, _ := pem.Decode(text)
		return []*x509.Certificate{must(x509.ParseCertificate(b.Bytes))}
	}
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		want  string // the identity and the role, or a part of the error
	}{
		"dns":              {chain(f.ca, names("x", []string{"ci.example.org"}, nil)), "dkv://user.prod/ci operator"},
		"subject":          {chain(f.ca, names("Ann", nil, nil)), "dkv://user.prod/ann admin"},
		"two that agree":   {chain(f.ca, names("Ann", nil, []string{"ann@example.org"})), "dkv://user.prod/ann admin"},
		"two that differ":  {chain(f.ca, names("Ann", nil, []string{"bob@example.org"})), "lines 2 and 4 of the file of identities both name it"},
		"an application":   {chain(f.ca, names("x", []string{"web"}, nil)), "dkv://app.prod/S/web app"},
		"of another store": {chain(f.ca, names("x", []string{"other"}, nil)), "no line of the file of identities names it"},
		"unknown":          {chain(f.ca, names("Eve", nil, nil)), `no line of the file of identities names it: its subject is "CN=Eve,O=Example"`},
		"two common names": {chain(f.ca, two), `names it: its subject is "CN=Ann,CN=Eve,O=Example"`},
		"foreign":          {chain(foreign, names("Ann", nil, nil)), "unknown authority"},
		"expired":          {chain(f.ca, ended), "expired at "},
		"a server's":       {chain(f.ca, serves), "incompatible key usage"},
	} {
		p := policy(t, s)
		peer, err := p.Admit(c.chain)
		got := fmt.Sprint(err)
		if err == nil {
			role, external := p.Granted(peer)
			got = fmt.Sprint(peer.Identity, " ", role)
			if !external {
				t.Errorf("%s: the role is not of the mapping", name)
			}
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	// Without a mapping nobody of the authority is accepted, and a manager's or an instance's place is never taken.
	ann := chain(f.ca, names("Ann", nil, nil))
	peer := must(policy(t, s).Admit(ann))
	for name, p := range map[string]*identity.Policy{
		"no mapping":    {Cluster: "prod", Now: time.Now},
		"managers only": {Cluster: "prod", Now: time.Now, Kinds: []identity.Kind{identity.Manager}, External: policy(t, s).External},
	} {
		if _, err := p.Admit(ann); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	revoked := policy(t, s)
	revoked.Revoked = func(serial *big.Int) bool { return serial.Cmp(ann[0].SerialNumber) == 0 }
	var refused *identity.Error
	if err := revoked.Recheck(peer); !errors.As(err, &refused) || refused.Problem != identity.IsRevoked {
		t.Errorf("revoked by the access log: %v", err)
	}
}

// The files are read again when they change: a removed line ends what is accepted, and a damaged file changes nothing.
func TestSource_Follow(t *testing.T) {
	f := newFolder(t)
	cert, key := f.server("db1", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(warnBefore + time.Hour) })
	people := f.write("people", []byte("subject:CN=Ann -> dkv://user.prod/ann admin\n"))
	s := must(Open(Files{cert, key, f.write("ca.pem", f.root()), people}, "prod", time.Now))
	changed := make(chan error)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go s.Follow(ctx, func(err error) {
		select {
		case changed <- err:
		case <-ctx.Done():
		}
	})
	text, _, err := identitytest.IssueExternal(f.ca, x509.Certificate{Subject: pkix.Name{CommonName: "Ann"}})
	must(0, err)
	b, _ := pem.Decode(text)
	leaf := must(x509.ParseCertificate(b.Bytes))
	peer := must(policy(t, s).Admit([]*x509.Certificate{leaf}))
	f.write("people", []byte("subject:CN=Ann -> dkv://user.prod/ann root\n"))
	if err := <-changed; err == nil || !strings.Contains(err.Error(), "people:1: ") || len(s.Warnings()) != 1 {
		t.Errorf("a damaged file: %v, warnings %q", err, s.Warnings())
	}
	if err := policy(t, s).Recheck(peer); err != nil {
		t.Errorf("while the file is damaged: %v", err)
	}
	f.write("people", []byte("# nobody\n"))
	if err := <-changed; err != nil || len(s.Warnings()) != 0 {
		t.Errorf("a removed line: %v, warnings %q", err, s.Warnings())
	}
	if err := policy(t, s).Recheck(peer); err == nil || !strings.Contains(err.Error(), "no line of the file of identities names it") {
		t.Errorf("after the line was removed: %v", err)
	}
	before := s.Use().Shown.Leaf.SerialNumber
	f.server("db1", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Hour) })
	for s.Use().Shown.Leaf.SerialNumber.Cmp(before) == 0 { // the pair may be seen between its two files
		<-changed
	}
	if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], "db1.crt ends at ") {
		t.Errorf("near its end: %q", w)
	}
}
