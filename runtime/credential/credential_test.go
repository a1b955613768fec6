package credential

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/identity/identitytest"
	"dkvrun/runtime/wire"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func manager(cluster, name string) identity.Identity {
	return identity.Identity{Kind: identity.Manager, Cluster: cluster, Name: name}
}

func user(cluster, name string) identity.Identity {
	return identity.Identity{Kind: identity.User, Cluster: cluster, Name: name}
}

// server is a manager that answers with who its caller is.
type server struct {
	fanout.Endpoint
	seen atomic.Int32 // requests
}

// serve starts a manager with a certificate, or a plain one with nil.
func serve(t *testing.T, b *identity.Bundle, name string) *server {
	t.Helper()
	s := &server{}
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == wire.Prefix+"/health" {
			w.Header().Set("Date", "Tue, 01 Dec 2026 10:00:00 GMT")
			return
		}
		s.seen.Add(1)
		wire.SetManager(w.Header(), name)
		who := "nobody"
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			who = must(identity.Of(r.TLS.PeerCertificates[0])).Name
		}
		_, _ = io.WriteString(w, who+r.Header.Get("Authorization"))
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.Start()
	t.Cleanup(h.Close)
	if b != nil {
		// A listener of TLS in front of the server's, so that the server's own settings don't matter.
		config := identity.Server{
			Certificate: func() (*tls.Certificate, error) { return b.TLS(true), nil },
			Policy:      func() *identity.Policy { return &identity.Policy{Roots: b.Roots, Now: time.Now} },
			Protocols:   []string{"http/1.1"},
		}.Config()
		l := must(net.Listen("tcp", "127.0.0.1:0"))
		go h.Config.Serve(tls.NewListener(l, config))
		t.Cleanup(func() { l.Close() })
		s.Endpoint = endpoint(l.Addr())
		return s
	}
	s.Endpoint = endpoint(h.Listener.Addr())
	return s
}

func endpoint(a net.Addr) fanout.Endpoint {
	e := must(fanout.ParseEndpoints([]string{a.String()}, 1))[0]
	return e
}

// save writes a bundle to a file of a folder.
func save(t *testing.T, b *identity.Bundle, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := b.Save(file); err != nil {
		t.Fatal(err)
	}
	return file
}

func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dkvrun")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func get(t *testing.T, s *Source, e fanout.Endpoint, meant string) fanout.Answer {
	t.Helper()
	c := fanout.New(fanout.Config{Security: s})
	defer c.Close()
	r := fanout.Request{Endpoint: e, Method: "GET", Path: "/who", Manager: meant, Timeout: 5 * time.Second}
	return c.Do(context.Background(), []fanout.Request{r}, fanout.Options{})[0]
}

func TestSource_ChoosesByCluster(t *testing.T) {
	prod, test := must(identitytest.New("prod")), must(identitytest.New("test"))
	dir := folder(t)
	save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "alice")})), dir, "prod.pem")
	save(t, must(test.Bundle(identitytest.Leaf{Identity: user("test", "bob")})), dir, "test.pem")
	s := &Source{Folder: dir}
	for _, c := range []struct {
		authority *identitytest.Authority
		want      string
	}{{prod, "alice"}, {test, "bob"}} {
		m := serve(t, must(c.authority.Bundle(identitytest.Leaf{Identity: manager(c.authority.Cluster, "m1")})), "m1")
		a := get(t, s, m.Endpoint, "m1")
		if a.Err != nil || string(a.Body) != c.want || a.As != user(c.authority.Cluster, c.want).String() {
			t.Errorf("%s: %s as %q, error %v", c.authority.Cluster, a.Body, a.As, a.Err)
		}
	}
	// The explicit one is used instead of the folder.
	m := serve(t, must(prod.Bundle(identitytest.Leaf{Identity: manager("prod", "m1")})), "m1")
	carol := save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "carol")})), t.TempDir(), "c.pem")
	if a := get(t, &Source{File: carol, Folder: dir}, m.Endpoint, ""); string(a.Body) != "carol" {
		t.Errorf("%q, error %v", a.Body, a.Err)
	}
}

func TestSource_Token(t *testing.T) {
	prod := must(identitytest.New("prod"))
	m := serve(t, must(prod.Bundle(identitytest.Leaf{Identity: manager("prod", "m1")})), "m1")
	b := &identity.Bundle{Token: "dkvb1-secret", Cluster: "prod", Roots: must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "a")})).Roots}
	file := save(t, b, t.TempDir(), "ci.pem")
	a := get(t, &Source{TokenFile: file}, m.Endpoint, "m1")
	if a.Err != nil || string(a.Body) != "nobodyBearer dkvb1-secret" || a.As != "token" {
		t.Errorf("%q as %q, error %v", a.Body, a.As, a.Err)
	}
	// It is never sent in plain.
	plain := serve(t, nil, "m1")
	plain.Scheme = "http"
	if a := get(t, &Source{TokenFile: file}, plain.Endpoint, "m1"); string(a.Body) != "nobody" {
		t.Errorf("%q, error %v", a.Body, a.Err)
	}
	alice := save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "alice")})), t.TempDir(), "a.pem")
	if a := get(t, &Source{TokenFile: alice}, m.Endpoint, ""); a.Err == nil || !strings.Contains(a.Err.Message, "has no bearer token") {
		t.Errorf("a certificate as a token: %v", a.Err)
	}
}

// TestSource_Failures tries servers and credentials that don't fit. Each has its code and says who the client is and
// what to do, and the server gets no request.
func TestSource_Failures(t *testing.T) {
	prod, test, forged := must(identitytest.New("prod")), must(identitytest.New("test")), must(identitytest.New("prod"))
	dir, past := folder(t), time.Now().Add(-time.Minute)
	alice := save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "alice")})), dir, "prod.pem")
	good := func() *server {
		return serve(t, must(prod.Bundle(identitytest.Leaf{Identity: manager("prod", "m1")})), "m1")
	}
	expired := save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "old"), To: past})), t.TempDir(), "old.pem")
	early := save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "new"), From: time.Now().Add(time.Hour)})),
		t.TempDir(), "new.pem")
	open := save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "open")})), t.TempDir(), "open.pem")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	wide := folder(t)
	save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "alice")})), wide, "prod.pem")
	if err := os.Chmod(wide, 0o755); err != nil {
		t.Fatal(err)
	}
	instance := identity.Identity{Kind: identity.Instance, Cluster: "prod", Store: "S", Name: "s-1"}
	https := func(s *server) *server { s.Scheme = "https"; return s }
	for _, c := range []struct {
		name          string
		source        *Source
		server        *server
		code, as      string
		message, hint string
	}{
		{"another cluster", &Source{File: alice}, serve(t, must(test.Bundle(identitytest.Leaf{Identity: manager("test", "m1")})), "m1"), "wrong_cluster",
			"dkv://user.prod/alice",
			"a manager of cluster test answers there, and there is no credential for cluster test: you are user alice of cluster prod (" + alice,
			"run dkvmanager credential --name YOU --role ROLE --out test.pem"},
		{"an unknown authority", &Source{File: alice}, serve(t, must(forged.Bundle(identitytest.Leaf{Identity: manager("prod", "m1")})), "m1"),
			"unknown_authority", "dkv://user.prod/alice", "signed by an authority that your credential does not know; you are user alice", "in the manager's place"},
		{"an expired server", &Source{File: alice}, serve(t, must(prod.Bundle(identitytest.Leaf{Identity: manager("prod", "m1"), To: past})), "m1"), "expired",
			"dkv://user.prod/alice", "the peer's clock 2026-12-01 10:00:00 UTC", "join --again"},
		{"a server of the future", &Source{File: alice},
			serve(t, must(prod.Bundle(identitytest.Leaf{Identity: manager("prod", "m1"), From: time.Now().Add(time.Hour)})), "m1"), "not_yet_valid",
			"dkv://user.prod/alice", "the peer's clock 2026-12-01 10:00:00 UTC", "set the clock"},
		{"an own expired credential", &Source{File: expired}, good(), "expired_credential", "dkv://user.prod/old", "your credential expired at ",
			"run dkvmanager credential --name old --role ROLE --out FILE on the server that made cluster prod, and replace " + expired},
		{"an own credential of the future", &Source{File: early}, good(), "expired_credential", "dkv://user.prod/new", "is not valid before",
			"set the clock of this machine"},
		{"an instance", &Source{File: alice},
			serve(t, must(prod.Bundle(identitytest.Leaf{Identity: instance})), "m1"),
			"not_a_manager", "dkv://user.prod/alice", "instance s-1 of store S in cluster prod answers there, which is not a manager; you are user alice",
			"port of a manager"},
		{"another manager", &Source{File: alice}, serve(t, must(prod.Bundle(identitytest.Leaf{Identity: manager("prod", "m2")})), "m2"), "other_manager",
			"dkv://user.prod/alice", "another manager answers there, m2, not m1", "force = true"},
		{"a plain server", &Source{Folder: dir}, serve(t, nil, "m1"), "plain_http", "", "speaks plain HTTP, and is asked for TLS; write http://127.0.0.1:",
			""},
		{"https without a credential", &Source{}, https(good()), "no_credential", "", "a manager of cluster prod answers there, and there is no credential",
			"--credential"},
		{"a plain server, https without a credential", &Source{}, https(serve(t, nil, "m1")), "plain_http", "", "write http://127.0.0.1:", ""},
		{"a file that others can read", &Source{File: open}, good(), "unusable_credential", "", "chmod 600 " + open, ""},
		{"a folder that others can enter", &Source{Folder: wide}, good(), "unusable_credential", "", "chmod 700 " + wide, ""},
		{"a missing file", &Source{File: "/missing.pem"}, good(), "unusable_credential", "", "the credential /missing.pem can't be read: no such file", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := get(t, c.source, c.server.Endpoint, "m1")
			if a.Err == nil || a.Err.Class != c.code || a.As != c.as || a.Err.Sent ||
				!strings.Contains(a.Err.Message, c.message) || !strings.Contains(a.Err.Hint, c.hint) ||
				strings.Contains(a.Err.Message, "\n") {
				t.Errorf("got %+v as %q, error %+v", a, a.As, a.Err)
			}
			if n := c.server.seen.Load(); n != 0 {
				t.Errorf("the server got %d requests", n)
			}
		})
	}
}

// TestSource_OneBadFile uses the credential of one cluster beside a refused one, which is named where it is missed.
func TestSource_OneBadFile(t *testing.T) {
	prod, test := must(identitytest.New("prod")), must(identitytest.New("test"))
	dir := folder(t)
	save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "alice")})), dir, "prod.pem")
	bad := save(t, must(test.Bundle(identitytest.Leaf{Identity: user("test", "bob")})), dir, "test.pem")
	if err := os.Chmod(bad, 0o640); err != nil {
		t.Fatal(err)
	}
	s := &Source{Folder: dir}
	m := serve(t, must(prod.Bundle(identitytest.Leaf{Identity: manager("prod", "m1")})), "m1")
	if a := get(t, s, m.Endpoint, "m1"); a.Err != nil || string(a.Body) != "alice" {
		t.Errorf("%q, error %v", a.Body, a.Err)
	}
	m = serve(t, must(test.Bundle(identitytest.Leaf{Identity: manager("test", "m1")})), "m1")
	if a := get(t, s, m.Endpoint, "m1"); a.Err == nil || !strings.Contains(a.Err.Message, "chmod 600 "+bad) {
		t.Errorf("%v", a.Err)
	}
}

// TestSource_NoCredential is a run without any: it is plain, and reads nothing of the folder but its names.
func TestSource_NoCredential(t *testing.T) {
	m := serve(t, nil, "m1")
	for _, dir := range []string{"", "/missing", folder(t)} {
		a := get(t, &Source{Folder: dir}, m.Endpoint, "m1")
		if a.Err != nil || string(a.Body) != "nobody" || a.As != "" {
			t.Errorf("%q: %q as %q, error %v", dir, a.Body, a.As, a.Err)
		}
	}
}

// TestSource_ReadsAgain uses a renewed credential without a restart.
func TestSource_ReadsAgain(t *testing.T) {
	prod := must(identitytest.New("prod"))
	m := serve(t, must(prod.Bundle(identitytest.Leaf{Identity: manager("prod", "m1")})), "m1")
	dir := folder(t)
	save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "alice")})), dir, "prod.pem")
	s := &Source{Folder: dir}
	for _, want := range []string{"alice", "bob"} {
		if a := get(t, s, m.Endpoint, "m1"); string(a.Body) != want {
			t.Errorf("%q instead of %s, error %v", a.Body, want, a.Err)
		}
		save(t, must(prod.Bundle(identitytest.Leaf{Identity: user("prod", "bob")})), dir, "prod.pem")
		s.readAt = s.readAt.Add(-maxAge)
	}
}

func TestFolder_Environment(t *testing.T) {
	for _, c := range []struct{ config, home, want string }{
		{"/c", "/h", "/c/dkvrun"}, {"", "/h", "/h/.config/dkvrun"}, {"relative", "/h", "/h/.config/dkvrun"}, {"", "", ""},
	} {
		got := Folder(func(name string) string { return map[string]string{"XDG_CONFIG_HOME": c.config, "HOME": c.home}[name] })
		if got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
