package tests

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	secured "dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// revokedWithin bounds the time until a revocation counts at every manager and instance that hears of it.
const revokedWithin = 5 * time.Second

// victim is somebody who is revoked: what it uses until then.
type victim struct {
	file     string
	client   *http.Client
	targets  []string // a GET of each is allowed; refused with status 401 or 403, or by a closed connection
	watched  []string // client ports with open streams of it
	streams  []*stream
	requests sync.WaitGroup
}

// stream is an open watch stream. Done is closed when it ends.
type stream struct {
	at   string
	done chan struct{}
}

// newVictim reads a credential, which may be a bearer token.
func newVictim(t *testing.T, file string) *victim {
	t.Helper()
	b, err := secured.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} // who answers is not what is tested
	var shown http.RoundTripper
	transport := &http.Transport{TLSClientConfig: config}
	if shown = transport; b.Token == "" {
		config.Certificates = []tls.Certificate{*b.TLS(false)}
	} else {
		shown = bearer{transport, b.Token}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &victim{file: file, client: &http.Client{Transport: shown}}
}

// bearer sends a bearer token with each request.
type bearer struct {
	http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.RoundTripper.RoundTrip(r)
}

// may reports whether a target still answers the victim.
func (v *victim) may(target string) bool {
	resp, err := v.client.Get(target)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// watch opens a JSON watch stream, and returns when the store has answered that it is open.
func (v *victim) watch(t *testing.T, port string) {
	t.Helper()
	resp, err := v.client.Post("https://"+port+"/v3/watch", "application/json",
		strings.NewReader(`{"create_request": {"key": "AA==", "range_end": "AA=="}}`))
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 4096)
	n, err := resp.Body.Read(first)
	if err != nil || !strings.Contains(string(first[:n]), `"created":true`) {
		t.Fatalf("no watch stream at %s: %v, %s", port, err, first[:n])
	}
	s := &stream{port, make(chan struct{})}
	v.streams = append(v.streams, s)
	go func() {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		close(s.done)
	}()
}

// etcdctl starts the engine's own client, over gRPC, that watches all keys at a client port with a credential. It
// returns the file that it writes what it sees to.
func (a *accessRun) etcdctl(file, port string) string {
	a.t.Helper()
	out, err := os.Create(filepath.Join(a.dir, strings.NewReplacer("/", "-", ":", "-").Replace(file + port)[len(a.dir):]+".watch"))
	if err != nil {
		a.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(program("etcdctl"), "--endpoints=https://"+port, "--cert="+file, "--key="+file,
		"--cacert="+filepath.Join(a.dir, a.hosts[0], "pki", "roots.pem"), "watch", "--prefix", "")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return out.Name()
}

// sees reports whether a file has a text.
func sees(t *testing.T, file, text string) bool {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(content), text)
}

// An admin, a viewer, a user with a bearer token and an application are revoked while they make requests over open
// connections, and have open watch streams. All managers and all instances, gateways too, refuse them within 5 s, their
// streams end, and they see no later change.
func TestSecured_RevokedWhileConnected(t *testing.T) {
	t.Parallel()
	a := newAccessRun(t, "127.46.5.11", "127.46.5.12", "127.46.5.13")
	a.must("home", `add_instance{"S", hosts = {"127.46.5.11", "127.46.5.12", "127.46.5.13"}}:check(); wait_ready("S")
		local gateways = 0
		for _, node in ipairs(store_status("S").instances) do if node.role == "gateway" then gateways = gateways + 1 end end
		assert(gateways > 0, "there is no gateway")`)
	ports := strings.Fields(strings.Split(a.must("home", `return table.concat(connect_store("S").endpoints, " ")`), "\n")[1])
	if len(ports) != 6 {
		t.Fatalf("got the client ports %q", ports)
	}
	data := filepath.Join(a.dir, a.hosts[0])
	victims := map[string]*victim{}
	for name, flags := range map[string][]string{
		"eve": {"--name", "eve", "--role", "admin"}, "vic": {"--name", "vic", "--role", "viewer"},
		"ci": {"--name", "ci", "--role", "operator", "--token"}, "web": {"--app", "web", "--store", "S"},
	} {
		file := a.file(name + ".pem")
		args := append([]string{"credential", "--data-dir", data, "--out", file}, flags...)
		if said, err := a.command("home", "dkvmanager", args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", name, said)
		}
		v := newVictim(t, file)
		if name != "web" {
			for _, host := range a.hosts {
				v.targets = append(v.targets, "https://"+host+":7801"+wire.InfoPath())
			}
		}
		v.watched = ports
		for _, port := range ports {
			v.targets = append(v.targets, "https://"+port+"/version")
		}
		victims[name] = v
	}
	var sights []string
	for name, v := range victims {
		for _, target := range v.targets {
			if err := poll(10*time.Second, func() error {
				if !v.may(target) {
					return fmt.Errorf("%s is refused by %s before the revocation", name, target)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		for i, port := range v.watched {
			v.watch(t, port)
			if i%2 == 0 && name != "ci" { // etcdctl takes no bearer tokens
				sights = append(sights, a.etcdctl(v.file, port))
			}
		}
	}
	control := a.etcdctl(filepath.Join(a.dir, "home", ".config", "dkvrun", "prod.pem"), ports[0]) // of the admin who stays
	// etcdctl does not say when it watches: it is asked until it has seen a change.
	for _, sight := range append(sights, control) {
		if err := poll(20*time.Second, func() error {
			a.must("home", `connect_store("S"):put("before", "1")`)
			if !sees(t, sight, "before") {
				return fmt.Errorf("etcdctl sees nothing: %s", sight)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for name := range victims {
		revoked := name
		if name == "web" {
			revoked = "dkv://app.prod/S/web"
		}
		if said, err := a.command("home", "dkvmanager", "revoke", "--data-dir", data, revoked).CombinedOutput(); err != nil {
			t.Fatalf("revoke %s: %s", name, said)
		}
	}
	began := time.Now()
	// Requests go on without a pause: the last one that is answered counts.
	last := make(chan string, 100)
	for name, v := range victims {
		for _, target := range v.targets {
			v.requests.Go(func() {
				for v.may(target) && time.Since(began) < 2*revokedWithin {
				}
				if after := time.Since(began); after > revokedWithin {
					last <- fmt.Sprintf("%s is answered by %s %s after the revocation", name, target, after)
				}
			})
		}
	}
	for name, v := range victims {
		v.requests.Wait()
		for _, s := range v.streams {
			select {
			case <-s.done:
			case <-time.After(time.Until(began.Add(2 * revokedWithin))):
			}
			if after := time.Since(began); after > revokedWithin {
				t.Errorf("the stream of %s at %s is open %s after the revocation", name, s.at, after)
			}
		}
	}
	t.Logf("all are refused, and all streams ended, %s after the revocation", time.Since(began))
	close(last)
	for late := range last {
		t.Error(late)
	}
	a.must("home", `connect_store("S"):put("after", "1")`)
	if err := poll(10*time.Second, func() error {
		if !sees(t, control, "after\n") {
			return fmt.Errorf("the admin who stays does not see the change: %s", control)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	for name, v := range victims {
		for _, target := range v.targets {
			if v.may(target) {
				t.Errorf("%s is answered by %s again", name, target)
			}
		}
	}
	for _, sight := range sights {
		if sees(t, sight, "after\n") {
			t.Errorf("etcdctl sees a change after the revocation: %s", sight)
		}
	}
}
