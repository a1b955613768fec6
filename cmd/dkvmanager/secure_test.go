package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/cmd/dkvmanager/internal/security/securitytest"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// securedFolder makes the data folder of a secured manager, and returns it with the manager's identity.
func securedFolder(t *testing.T, cluster *securitytest.Cluster) (dir, name string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	cat, err := catalog.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	name = cat.Identity()
	cat.Close()
	cluster.Secure(dir, name)
	return dir, name
}

// clientOf returns an HTTP client that shows a certificate, or none, and takes any server.
func clientOf(t *testing.T, shown *identity.Bundle) *http.Client {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	if shown != nil {
		config.Certificates = []tls.Certificate{*shown.TLS(false)}
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// callSecured makes a request to a secured manager.
func callSecured(t *testing.T, c *http.Client, method, url string, body any) (int, []byte) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		text = nil
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, text
}

// A secured manager believes members of its cluster alone, and only about themselves.
func TestPeers_BelieveMembers(t *testing.T) {
	cluster, other := securitytest.New(t, "prod"), securitytest.New(t, "prod")
	revoked := cluster.Member("m-3")
	cluster.Revoke(revoked)
	member := cluster.Member("m-2")
	gone := cluster.Issue(identity.Identity{Kind: identity.Manager, Name: "m-4"}, time.Hour)
	dir := filepath.Join(t.TempDir(), "data")
	cluster.Secure(dir, "m-1")
	me, err := security.Open(dir, "m-1", nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = me.Close() })
	for name, test := range map[string]struct {
		shown *identity.Bundle // nil for plain HTTP
		says  string           // the identity in the answer
		why   string           // in the log; empty if the answer is believed
	}{
		"a member":            {member, "m-2", ""},
		"for another one":     {member, "m-1", `manager m-2 answers as manager \"m-1\"`},
		"revoked":             {revoked, "m-3", "is revoked"},
		"no member":           {gone, "m-4", "is not a member"},
		"a foreign authority": {other.Member("m-2"), "m-2", "unknown authority"},
		"no manager":          {cluster.User("eve", identity.Admin), "m-2", "can't be used here"},
		"plain":               {nil, "m-2", "gave HTTP response to HTTPS client"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.shown != nil && len(r.TLS.PeerCertificates) == 0 {
					t.Error("the manager shows no certificate")
				}
				_, _ = fmt.Fprintf(w, `{"manager":%q,"store":"S","epoch":7,"decided":[]}`, test.says)
			}))
			if test.shown == nil {
				server.Start()
			} else {
				server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
				server.TLS.Certificates = []tls.Certificate{*test.shown.TLS(true)}
				server.StartTLS()
			}
			defer server.Close()
			var log bytes.Buffer
			p := newPeers("", slog.New(slog.NewTextHandler(&log, nil)), me, nil)
			url := "http://" + server.Listener.Addr().String() // as in a catalog from the time before
			s, err := p.State(t.Context(), url, "S", wire.StateQuestion{})
			if test.why == "" && (err != nil || s.Epoch != 7) {
				t.Errorf("got %+v, %v; %s", s, err, &log)
			}
			if test.why != "" && (err == nil || !strings.Contains(log.String(), test.why)) {
				t.Errorf("got %+v, %v, want %q; %s", s, err, test.why, &log)
			}
		})
	}
}

// Secured managers take each other's decisions over TLS, also where the catalog has their URLs from before.
func TestSecure_ManagersFollowTheCoordinator(t *testing.T) {
	const first, second = "127.23.9.11", "127.23.9.12"
	cluster := securitytest.New(t, "prod")
	admin := clientOf(t, cluster.User("eve", identity.Admin))
	firstDir, firstName := securedFolder(t, cluster)
	secondDir, secondName := securedFolder(t, cluster)
	cluster.Copy(firstDir)
	startSecured(t, first, firstDir)
	startSecured(t, second, secondDir)

	create := orders(2, first, second)
	create.Nodes = wire.AssignRoles(create.Nodes)
	const id = "0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a11"
	op := wire.Operation{
		ID: id, Action: wire.CreateAction, Store: "OrdersStore", Owner: "tester", Coordinator: firstName,
		Managers: []wire.Manager{
			{Identity: firstName, URL: "http://" + first + ":7801"}, {Identity: secondName, URL: "http://" + second + ":7801"},
		},
		Epoch: 1, Creation: id, Nodes: create.Nodes, Founders: wire.Founders(create.Nodes), Desired: wire.DesiredStopped,
	}
	for ip, name := range map[string]string{first: firstName, second: secondName} {
		prepare := "https://" + ip + ":7801" + wire.OperationsPath() + "?to=" + name
		if status, text := callSecured(t, admin, "POST", prepare, op); status != 200 {
			t.Fatalf("prepare at %s: %d %s", ip, status, text)
		}
	}
	commit := "https://" + first + ":7801" + wire.OperationPath(id) + "/commit?epoch=1&to=" + firstName
	if status, text := callSecured(t, admin, "POST", commit, nil); status != 200 {
		t.Fatalf("commit: %d %s", status, text)
	}
	eventually(t, "the participant has the coordinator's decision", func() bool {
		status, _ := callSecured(t, admin, "GET", "https://"+second+":7801"+wire.StorePath("OrdersStore"), nil)
		return status == 200
	})
	text, err := os.ReadFile(filepath.Join(firstDir, "audit.log"))
	if lines := strings.Split(string(text), "\n"); err != nil || len(lines) != 3 ||
		!strings.Contains(lines[0], `"who":"dkv://user.prod/eve","role":"admin","from":"127.0.0.1","action":"Prepare","store":"OrdersStore"`) ||
		!strings.Contains(lines[1], `"action":"Commit"`) || !strings.Contains(lines[1], `"outcome":"committed"`) {
		t.Errorf("the audit log is %s, %v", text, err)
	}
}

// Connections that a secured manager refuses leave nothing behind, whatever they send: neither memory nor writes.
func TestAttack_RefusedHandshakesLeaveNothing(t *testing.T) {
	const ip, connections = "127.23.9.21", 10_000
	cluster := securitytest.New(t, "prod")
	dir, _ := securedFolder(t, cluster)
	d := startSecured(t, ip, dir)
	foreign := securitytest.New(t, "prod").User("root", identity.Admin)
	plain := "POST " + wire.StoresPath() + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n" + strings.Repeat("x", 60000)
	hello := "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03" + strings.Repeat("x", 16<<10-6)
	attacks := []func(){
		func() { // a whole handshake, with a certificate of another authority
			if status, _ := callSecured(t, clientOf(t, foreign), "GET", "https://"+ip+":7801"+wire.StoresPath(), nil); status != 401 {
				t.Fatalf("status %d", status)
			}
		},
		func() { exchange(t, ip, plain) },
		func() { exchange(t, ip, hello) },
		func() { exchange(t, ip, "\x16\x03\x01\x00\x05hello") },
	}
	for i := range 200 { // lets the process allocate what it needs in any case
		attacks[i%len(attacks)]()
	}
	before := filesOf(t, dir)
	had := d.memory()
	for i := range connections {
		attacks[i%len(attacks)]()
	}
	if grown := d.memory() - had; grown > 64<<20 {
		t.Errorf("%d refused connections took %d MiB for good", connections, grown>>20)
	} else {
		t.Logf("%d refused connections: %d KiB more resident memory", connections, grown>>10)
	}
	if after := filesOf(t, dir); after != before {
		t.Errorf("the data folder changed from\n%s\nto\n%s", before, after)
	}
}

// filesOf returns the files of a folder, with their sizes and times.
func filesOf(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			fmt.Fprintln(&out, path, info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
