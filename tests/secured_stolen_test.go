package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	secured "dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// attacker has a copy of the data folder of a server.
type attacker struct {
	t      *testing.T
	folder string
	issuer *secured.Bundle // that of the stolen server
	name   string          // its manager's identity
}

// steal copies the files of a data folder.
func steal(t *testing.T, from string) *attacker {
	t.Helper()
	e := &attacker{t: t, folder: filepath.Join(t.TempDir(), "stolen")}
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(e.folder, strings.TrimPrefix(path, from))
		switch {
		case entry.IsDir():
			return os.MkdirAll(to, 0o700)
		case !entry.Type().IsRegular():
			return nil // a socket
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if e.issuer, err = secured.Load(filepath.Join(e.folder, "pki", "issuer.pem")); err != nil {
		t.Fatal(err)
	}
	e.name = identityIn(t, e.folder)
	return e
}

// identityIn returns the identity of the manager of a data folder.
func identityIn(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "identity"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// forge makes a certificate of anybody with the stolen issuer, with the form that those of its kind have.
func (e *attacker) forge(uri string) *tls.Certificate {
	e.t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		e.t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		e.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		e.t.Fatal(err)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if strings.HasPrefix(u.Host, "manager.") || strings.HasPrefix(u.Host, "instance.") {
		usages = append(usages, x509.ExtKeyUsageServerAuth)
	}
	leaf := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: usages, BasicConstraintsValid: true, URIs: []*url.URL{u},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, e.issuer.Chain[0], &key.PublicKey, e.issuer.Key)
	if err != nil {
		e.t.Fatal(err)
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	for _, above := range append(e.issuer.Chain[:len(e.issuer.Chain):len(e.issuer.Chain)], e.issuer.Roots...) {
		c.Certificate = append(c.Certificate, above.Raw)
	}
	return c
}

// kept returns a certificate of a file in the stolen folder.
func (e *attacker) kept(path ...string) *tls.Certificate {
	e.t.Helper()
	b, err := secured.Load(filepath.Join(append([]string{e.folder}, path...)...))
	if err != nil {
		e.t.Fatal(err)
	}
	return b.TLS(true)
}

// call makes a request with a certificate over a connection of its own, and returns its status, or 0 for none.
func (e *attacker) call(with *tls.Certificate, method, url, body string) (int, string) {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{*with}}}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// Each line of the table "What one stolen server can do" of docs/security.md, with a copy of the folder of a server
// that joined: what is possible, by its effect, and what is not, by the state afterwards. Then the server is revoked.
func TestSecured_StolenServer(t *testing.T) {
	t.Parallel()
	a := newAccessRun(t, "127.46.6.11", "127.46.6.12", "127.46.6.13")
	a.must("home", `
		new_store{name = "T", nodes = {{name = "t-1", host = "127.46.6.11", clustron_port = 7812, client_port = 7862}}}:check()
		start_store("T"):check(); wait_ready("T"); connect_store("S"):put("k", "v"); connect_store("T"):put("k", "v")`)
	first, second := "https://127.46.6.11:7801", "https://127.46.6.12:7801"
	e := steal(t, filepath.Join(a.dir, a.hosts[2]))
	other := identityIn(t, filepath.Join(a.dir, a.hosts[0]))
	self := e.kept("pki", "manager.pem")
	expect := func(what string, with *tls.Certificate, method, url, body string, allowed bool) {
		t.Helper()
		if status, text := e.call(with, method, url, body); (status == http.StatusOK) != allowed {
			t.Errorf("%s: allowed is not %v: status %d, %s", what, allowed, status, text)
		}
	}
	unchanged := func(what string) {
		t.Helper()
		said := a.must("home", `local s, t = connect_store("S"), connect_store("T")
			return table.concat({s:get("k"), t:get("k"), tostring(s:get("evil")), tostring(t:get("evil")),
				#store_status("S").instances, #store_status("T").instances}, " ")`)
		if !strings.HasSuffix(said, "\nv v nil nil 3 1\n") {
			t.Errorf("%s: the stores changed: %s", what, said)
		}
	}

	// Read the configuration and state of each store, and the access log: yes.
	for _, store := range []string{"S", "T"} {
		expect("read store "+store, self, "GET", first+wire.StorePath(store), "", true)
		expect("read the state of store "+store, self, "GET", first+wire.StatePath(store), "", true)
	}
	expect("read the access log", self, "GET", first+wire.AccessPath(), "", true)

	// Answer dkvrun as this manager or another one: yes. The copy serves at another address.
	a.start("127.46.6.99", "--listen", "127.46.6.99:7801", "--data-dir", e.folder)
	if said, err := a.command("home", "dkvrun", "-m", "127.46.6.99", "-e", "#managers()").CombinedOutput(); err != nil {
		t.Errorf("dkvrun believes the copy no longer: %s", said)
	}
	lies := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.ManagerHeader, other)
		fmt.Fprintf(w, `{"identity": %q, "host": "h", "listen": "h:7801", "version": "lies", "boot": "x", "capabilities": []}`,
			other)
	}))
	lies.TLS = &tls.Config{Certificates: []tls.Certificate{*e.forge("dkv://manager.prod/" + other)}}
	lies.StartTLS()
	defer lies.Close()
	if said, err := a.command("home", "dkvrun", "-m", lies.URL, "-e", "#managers()").CombinedOutput(); err != nil {
		t.Errorf("dkvrun doesn't believe who answers as another manager, and the table says so: %s", said)
	}

	// Ask managers as another manager: no. What the stolen issuer makes for its own server is accepted.
	expect("ask as itself", e.forge("dkv://manager.prod/"+e.name), "GET", first+wire.AccessPath(), "", true)
	expect("ask as another manager", e.forge("dkv://manager.prod/"+other), "GET", second+wire.AccessPath(), "", false)
	expect("ask as nobody's manager", e.forge("dkv://manager.prod/nobody"), "GET", second+wire.AccessPath(), "", false)

	// Take part in the stores of which this server keeps an instance, as this instance: yes.
	const putEvil = `{"key": "ZXZpbA==", "value": "eA=="}`
	const port, portOfT = "https://127.46.6.11:7861", "https://127.46.6.11:7862"
	instance := e.kept("instances", "S", "s-3", "instance.pem")
	expect("change the data as its instance", instance, "POST", port+"/v3/kv/put", putEvil, true)
	if said := a.must("home", `return connect_store("S"):get("evil")`); !strings.HasSuffix(said, "\nx\n") {
		t.Errorf("the write as the stolen instance had no effect: %s", said)
	}
	a.must("home", `connect_store("S"):remove("evil")`)
	expect("as its instance, with a forged certificate", e.forge("dkv://instance.prod/S/s-3"), "GET", port+"/version", "", true)

	// Take part in another store, or as an instance of another server: no.
	for uri, at := range map[string]string{
		"dkv://instance.prod/S/s-1": port, "dkv://instance.prod/S/s-9": port, "dkv://instance.prod/T/t-1": portOfT,
		"dkv://instance.prod/T/s-3": portOfT,
	} {
		expect("change data as "+uri, e.forge(uri), "POST", at+"/v3/kv/put", putEvil, false)
	}
	expect("change data of another store as its instance", instance, "POST", portOfT+"/v3/kv/put", putEvil, false)
	unchanged("instances of others")

	// List stores, read logs and metrics, create, change, start, stop and remove stores at other managers: no.
	node := `"host": "127.46.6.11", "clustronPort": 7815, "clientPort": 7865, "manager": "127.46.6.11:7801"`
	for _, r := range [][3]string{
		{"GET", wire.StoresPath(), ""},
		{"GET", wire.InstancePath("S", "s-1") + "/log", ""},
		{"GET", wire.MetricsPath(), ""},
		{"POST", wire.StoresPath(), `{"name": "Evil", "nodes": [{"name": "e-1", ` + node + `}]}`},
		{"POST", wire.InstancesPath("S"), `{"name": "e-1", ` + node + `}`},
		{"POST", wire.InstancePath("S", "s-1") + "/stop", ""},
		{"POST", wire.InstancePath("S", "s-1") + "/start", ""},
		{"DELETE", wire.StorePath("T"), ""},
	} {
		for _, m := range []string{first, second} {
			expect(r[0]+" "+m+r[1], self, r[0], m+r[1], r[2], false)
		}
	}
	unchanged("requests of a manager")

	// Make users, admins, applications or tokens, let servers join, revoke anybody: no.
	if said, err := a.command("home", "dkvmanager", "credential", "--data-dir", filepath.Join(a.dir, a.hosts[0]),
		"--app", "web", "--store", "S", "--out", a.file("web.pem")).CombinedOutput(); err != nil {
		t.Fatalf("%s", said)
	}
	admin, err := secured.Load(filepath.Join(a.dir, "home", ".config", "dkvrun", "prod.pem"))
	if err != nil {
		t.Fatal(err)
	}
	who, err := admin.Identity()
	if err != nil {
		t.Fatal(err)
	}
	lines := a.lines(a.hosts[0])
	for _, uri := range []string{who.String(), "dkv://user.prod/evil"} {
		expect("as "+uri, e.forge(uri), "GET", first+wire.StoresPath(), "", false)
		expect("as "+uri, e.forge(uri), "POST", port+"/v3/kv/put", putEvil, false)
	}
	for _, uri := range []string{"dkv://app.prod/S/web", "dkv://app.prod/S/evil"} {
		expect("as "+uri, e.forge(uri), "POST", port+"/v3/kv/put", putEvil, false)
	}
	expect("a line for the access log", self, "POST", first+wire.AccessPath(), `{"line": "{}"}`, false)
	for _, words := range [][]string{
		{"credential", "--name", "evil", "--role", "admin"}, {"credential", "--app", "evil", "--store", "S"}, {"token"},
		{"credential", "--name", "evil", "--role", "viewer", "--token"}, {"revoke", who.Name},
	} {
		if said, err := a.command("stranger", "dkvmanager", append(words, "--data-dir", e.folder)...).CombinedOutput(); err == nil {
			t.Errorf("dkvmanager %s works with the stolen folder: %s", words, said)
		}
	}
	unchanged("forged users and applications")
	if now := a.lines(a.hosts[0]); now != lines {
		t.Errorf("the access log has %d lines instead of %d", now, lines)
	}

	// Its revocation ends it.
	if said, err := a.command("home", "dkvmanager", "revoke", "--data-dir", filepath.Join(a.dir, a.hosts[0]),
		"dkv://manager.prod/"+e.name).CombinedOutput(); err != nil {
		t.Fatalf("revoke: %s", said)
	}
	began := time.Now()
	for what, request := range map[string]func() (int, string){
		"reading a store": func() (int, string) { return e.call(self, "GET", second+wire.StorePath("S"), "") },
		"the access log":  func() (int, string) { return e.call(self, "GET", second+wire.AccessPath(), "") },
		"its instance": func() (int, string) {
			return e.call(instance, "GET", "https://127.46.6.12:7861/version", "")
		},
		"a forged certificate": func() (int, string) {
			return e.call(e.forge("dkv://instance.prod/S/s-3"), "GET", port+"/version", "")
		},
	} {
		if err := poll(2*revokedWithin, func() error {
			if status, _ := request(); status == http.StatusOK {
				return fmt.Errorf("%s is possible after the revocation", what)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if after := time.Since(began); after > revokedWithin {
		t.Errorf("the revocation took %s", after)
	}
	a.hosts = a.hosts[:2]
	said := a.must("home", `local s = connect_store{"S", endpoints = {"127.46.6.11:7861", "127.46.6.12:7861"}}
		s:put("k", "w"); return s:get("k")`)
	if !strings.HasSuffix(said, "w\n") {
		t.Errorf("the others of the store don't go on: %s", said)
	}
}
