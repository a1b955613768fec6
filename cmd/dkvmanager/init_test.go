package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// securedCluster has the managers of a secured cluster, and the home folder of the user that made it.
type securedCluster struct {
	t    *testing.T
	root string
	line []string // that init printed
}

// environment returns the environment of this test's commands.
func (c *securedCluster) environment() []string {
	return append(os.Environ(), asDaemon+"=1", "HOME="+filepath.Join(c.root, "home"), "XDG_CONFIG_HOME=")
}

// command runs a command that ends, and returns its output, its errors and its status.
func (c *securedCluster) command(args ...string) (out, errors string, status int) {
	c.t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = c.environment()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that must succeed and returns its output.
func (c *securedCluster) must(args ...string) string {
	c.t.Helper()
	out, errors, status := c.command(args...)
	if status != exitOK {
		c.t.Fatalf("dkvmanager %s: %d, %s", strings.Join(args, " "), status, errors)
	}
	return out
}

func (c *securedCluster) dir(n int) string { return filepath.Join(c.root, fmt.Sprint(n)) }

// credential returns the credential of the user that made the cluster.
func (c *securedCluster) credential() *identity.Bundle {
	c.t.Helper()
	b, err := identity.Load(filepath.Join(c.root, "home", ".config", "dkvrun", "prod.pem"))
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// start runs a command that serves, and returns when the manager on ip answers the cluster's user.
func (c *securedCluster) start(ip string, n int, args ...string) *daemon {
	c.t.Helper()
	d := &daemon{t: c.t, ip: ip, dir: c.dir(n), log: &output{}, done: make(chan struct{})}
	d.cmd = exec.Command(os.Args[0], append(args, "--listen", ip+":7801", "--data-dir", d.dir)...)
	d.cmd.Env = c.environment()
	var out output
	d.cmd.Stdout, d.cmd.Stderr = &out, d.log
	if err := d.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() { _ = d.cmd.Wait(); close(d.done) }()
	c.t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.done
		for _, pid := range d.holders() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		eventually(c.t, "the instances are gone", func() bool { return len(d.holders()) == 0 })
		if c.t.Failed() {
			c.t.Logf("log of %s:\n%s", ip, d.log)
		}
	})
	eventually(c.t, "the manager on "+ip+" serves", func() bool {
		select {
		case <-d.done:
			c.t.Fatalf("the manager on %s ended: %s\n%s", ip, d.cmd.ProcessState, d.log)
		default:
		}
		return strings.Contains(d.log.String(), "msg=serving")
	})
	if text := out.String(); text != "" {
		c.line = strings.Fields(text)
	}
	return d
}

// client returns a client with a credential, or without one.
func (c *securedCluster) client(b *identity.Bundle) *http.Client {
	config := &tls.Config{InsecureSkipVerify: true}
	if b != nil {
		config = identity.Client{
			Credentials: func() []*identity.Bundle { return []*identity.Bundle{b} },
			Policy: func(b *identity.Bundle) *identity.Policy {
				return b.Policy(time.Now, identity.Manager)
			},
		}.Config()
	}
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

// post sends a body to a path of a manager without a credential, and returns the status and the code of the result.
func (c *securedCluster) post(ip, path string, body []byte) (int, string) {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "https://"+ip+":7801"+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue") // a body that is refused by its length is not sent, which could cut off the answer
	client := c.client(nil)
	client.Transport.(*http.Transport).ExpectContinueTimeout = patience
	resp, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var result wire.Result
	if err := json.NewDecoder(resp.Body).Decode(&result); err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, result.Code
}

// joined lets another server join with the printed line.
func (c *securedCluster) joined(ip string, n int) *daemon {
	c.t.Helper()
	return c.start(ip, n, c.line[1:]...)
}

func newSecured(t *testing.T) *securedCluster {
	c := &securedCluster{t: t, root: t.TempDir()}
	if err := os.Mkdir(filepath.Join(c.root, "home"), 0o700); err != nil {
		t.Fatal(err)
	}
	return c
}

// The three lines of the guide, and a fourth server.
func TestSecured_ThreeLines(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	first := c.start("127.23.32.11", 1, "init", "--cluster", "prod")
	if len(c.line) != 4 || strings.Join(c.line[:3], " ") != "dkvmanager join 127.23.32.11:7801" || !strings.HasPrefix(c.line[3], "dkv1-") {
		t.Fatalf("init printed %q", c.line)
	}
	for n := 2; n <= 4; n++ {
		c.joined(fmt.Sprintf("127.23.32.%d", 10+n), n)
	}
	for _, secret := range []string{c.line[3], c.line[3][5:40], "PRIVATE KEY"} {
		if strings.Contains(first.log.String(), secret) {
			t.Errorf("the log has a secret: %s", first.log)
		}
	}
	for n := 1; n <= 4; n++ {
		url := fmt.Sprintf("https://127.23.32.%d:7801%s", 10+n, wire.StoresPath())
		resp, err := c.client(c.credential()).Get(url)
		if err != nil {
			t.Fatalf("with the credential: %v", err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("with the credential: %d", resp.StatusCode)
		}
		resp, err = c.client(nil).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a credential: %d", resp.StatusCode)
		}
	}
	// What the first server writes is known to the others soon.
	token := c.must("credential", "--data-dir", c.dir(1), "--name", "ci", "--role", "operator", "--token")
	b, err := identity.Decode([]byte(token))
	if err != nil || b.Token == "" {
		t.Fatalf("a bearer token: %v, %s", err, token)
	}
	if _, err := access.ParseBearerToken(b.Token); err != nil {
		t.Error(err)
	}
	status := func() string { return c.must("pki", "status", "--data-dir", c.dir(4)) }
	eventually(t, "the fourth knows of the token", func() bool { return strings.Contains(status(), "\nci               operator") })
	c.must("revoke", "--data-dir", c.dir(1), "ci")
	eventually(t, "the fourth knows of the revocation", func() bool { return !strings.Contains(status(), "\nci ") })
	if n := strings.Count(status(), "  https://127.23.32."); n != 4 {
		t.Errorf("the fourth knows %d addresses: %s", n, status())
	}
}

// A server that is off for a while gets what it missed, and a restart changes nothing.
func TestSecured_Restart(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	c.start("127.23.33.11", 1, "init", "--cluster", "prod")
	second := c.joined("127.23.33.12", 2)
	if status := second.end(syscall.SIGTERM); status != exitOK {
		t.Fatalf("status %d", status)
	}
	c.must("credential", "--data-dir", c.dir(1), "--name", "ci", "--role", "viewer", "--out", filepath.Join(c.root, "ci.pem"))
	if strings.Contains(c.must("pki", "status", "--data-dir", c.dir(2)), "\nci ") {
		t.Error("a manager that doesn't run knows of the grant")
	}
	c.start("127.23.33.12", 2)
	eventually(t, "the second knows of the grant", func() bool {
		return strings.Contains(c.must("pki", "status", "--data-dir", c.dir(2)), "\nci    viewer")
	})
}

// Who has a used token, or none, gets nothing.
func TestSecured_HostileJoiner(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	c.start("127.23.34.11", 1, "init", "--cluster", "prod", "--count", "1")
	c.joined("127.23.34.12", 2)
	before := c.must("pki", "status", "--data-dir", c.dir(1))
	_, errors, status := c.command(append(c.line[1:], "--listen", "127.23.34.13:7801", "--data-dir", c.dir(3))...)
	if status != exitError || !strings.Contains(errors, "the token was used by another server") {
		t.Errorf("a used token: %d, %s", status, errors)
	}
	if _, err := os.Stat(filepath.Join(c.dir(3), "pki")); !os.IsNotExist(err) {
		t.Error("the refused server has keys")
	}
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	request, err := identity.NewRequest(key)
	if err != nil {
		t.Fatal(err)
	}
	join := func(r wire.Join) []byte {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	used := wire.Join{Token: c.line[3], Request: string(request), Identity: "m-9", URL: "https://127.23.34.19:7801"}
	invented := used
	invented.Token = "dkv1-" + strings.Repeat("a", len(used.Token)-5)
	foreign := used
	foreign.Request = "-----BEGIN CERTIFICATE REQUEST-----\n"
	for _, r := range []struct {
		name, path string
		body       []byte
		status     int
		code       string
	}{
		{"replayed", wire.JoinPath(), join(used), 403, wire.CodeTokenRefused},
		{"invented", wire.JoinPath(), join(invented), 403, wire.CodeTokenRefused},
		{"no request", wire.JoinPath(), join(foreign), 403, wire.CodeTokenRefused},
		{"10 MB", wire.JoinPath(), bytes.Repeat([]byte("a"), 10<<20), 413, wire.CodeBodyTooLarge},
		{"garbage", wire.JoinPath(), []byte("\x00{{"), 400, wire.CodeBadRequest},
		{"a line by nobody", wire.AccessPath(), []byte(`{"line":"{}"}`), 401, ""},
	} {
		status, code := c.post("127.23.34.11", r.path, r.body)
		if status != r.status || r.code != "" && code != r.code {
			t.Errorf("%s: %d %s, want %d %s", r.name, status, code, r.status, r.code)
		}
	}
	for range 10 {
		c.post("127.23.34.11", wire.JoinPath(), join(invented))
	}
	if status, code := c.post("127.23.34.11", wire.JoinPath(), join(invented)); status != 503 || code != wire.CodeTooBusy {
		t.Errorf("after many tries: %d %s", status, code)
	}
	if after := c.must("pki", "status", "--data-dir", c.dir(1)); after != before {
		t.Errorf("the cluster has changed:\n%s\nbefore:\n%s", after, before)
	}
}

// A server that was revoked keeps its data and joins again.
func TestSecured_JoinAgain(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	c.start("127.23.35.11", 1, "init", "--cluster", "prod")
	second := c.joined("127.23.35.12", 2)
	id, err := os.ReadFile(filepath.Join(c.dir(2), "identity"))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSpace(string(id))
	c.must("revoke", "dkv://manager.prod/"+name, "--data-dir", c.dir(1))
	if got := c.must("pki", "status", "--data-dir", c.dir(1)); strings.Contains(got, name) {
		t.Errorf("it is still a member: %s", got)
	}
	eventually(t, "it logs why it gets no lines, and what to do", func() bool {
		return strings.Contains(second.log.String(), "it answers 401: the request needs a valid certificate") &&
			strings.Contains(second.log.String(), "is revoked") && strings.Contains(second.log.String(), "if it was revoked, stop it")
	})
	if got := c.must("pki", "status", "--data-dir", c.dir(2)); !strings.Contains(got, "\nrefused  ") ||
		!strings.Contains(got, "dkvmanager join ADDRESS TOKEN --again here") {
		t.Errorf("its status does not say that others refuse it: %s", got)
	}
	second.end(syscall.SIGTERM)
	serve := []string{"--listen", "127.23.35.12:7801", "--data-dir", c.dir(2)}
	if _, errors, _ := c.command(append(c.line[1:], serve...)...); !strings.Contains(errors, "join --again gives it a new certificate") {
		t.Errorf("join without --again: %s", errors)
	}
	again := strings.Fields(c.must("token", "--data-dir", c.dir(1)))
	second = c.start("127.23.35.12", 2, append(again[1:], "--again")...)
	// It knows of its new place before it asks anybody, and so does not take itself for excluded.
	second.end(syscall.SIGTERM)
	if strings.Contains(second.log.String(), "excluded") {
		t.Errorf("it joined again, and is excluded: %s", second.log)
	}
	c.start("127.23.35.12", 2)
	got := c.must("pki", "status", "--data-dir", c.dir(1))
	if !strings.Contains(got, name+"  ") || strings.Contains(c.must("pki", "status", "--data-dir", c.dir(2)), "excluded") {
		t.Errorf("after joining again: %s", got)
	}
}

// A manager that was secured and has lost its keys serves nobody: it joins again, and keeps its running instances.
func TestSecured_LostKeys(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	c.start("127.23.37.11", 1, "init", "--cluster", "prod")
	second := c.joined("127.23.37.12", 2)
	id, err := os.ReadFile(filepath.Join(c.dir(2), "identity"))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSpace(string(id))
	create := orders(1, "127.23.37.12")
	if status, text := callSecured(t, c.client(c.credential()), "POST", "https://127.23.37.12:7801"+wire.StoresPath(), create); status != 200 {
		t.Fatalf("create: %d %s", status, text)
	}
	if status, text := callSecured(t, c.client(c.credential()), "POST",
		"https://127.23.37.12:7801"+wire.InstancePath("OrdersStore", create.Nodes[0].Name)+"/start", nil); status != 200 {
		t.Fatalf("start: %d %s", status, text)
	}
	second.end(syscall.SIGTERM)
	if err := os.RemoveAll(filepath.Join(c.dir(2), "pki")); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--data-dir", c.dir(2), "--listen"}
	for _, r := range [][]string{
		append(flags, "127.23.37.12:7801"), append(flags, "127.23.37.12:7801", "--insecure"), append(flags, "0.0.0.0:7801"),
		append([]string{"init", "--cluster", "other", "--credential-out", filepath.Join(c.root, "o.pem")}, append(flags, "127.23.37.12:7801")...),
		{"token", "--data-dir", c.dir(2)}, {"pki", "status", "--data-dir", c.dir(2)},
	} {
		_, errors, status := c.command(r...)
		if status != exitError || !strings.Contains(errors, `was secured, as a member of cluster "prod", and its folder pki is missing`) {
			t.Errorf("dkvmanager %s: %d, %s", strings.Join(r, " "), status, errors)
		}
	}
	again := strings.Fields(c.must("token", "--data-dir", c.dir(1), "--again", name))
	second = c.start("127.23.37.12", 2, again[1:len(again)-1]...)
	eventually(t, "the instance is adopted", func() bool {
		return strings.Contains(second.log.String(), "msg=adopted store=OrdersStore")
	})
	second.end(syscall.SIGTERM)

	issuer := filepath.Join(c.dir(2), "pki", "issuer.pem")
	if err := os.Remove(issuer); err != nil {
		t.Fatal(err)
	}
	_, errors, status := c.command(append(flags, "127.23.37.12:7801")...)
	if status != exitError || !strings.Contains(errors, "restore it from a backup, or get new keys with dkvmanager join --again") {
		t.Errorf("without issuer.pem: %d, %s", status, errors)
	}
	again = strings.Fields(c.must("token", "--data-dir", c.dir(1), "--again", name))
	c.start("127.23.37.12", 2, again[1:]...)
}

func TestSecured_Commands(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	dir, plain, free := c.dir(1), c.dir(8), c.dir(9)
	c.must("init", "--cluster", "prod", "--listen", "127.23.36.11:7801", "--data-dir", dir, "--no-serve")
	taken := filepath.Join(c.root, "taken.pem")
	if err := os.WriteFile(taken, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	plainManager := startDaemon(t, "127.23.36.18", plain)
	for _, r := range []struct {
		args   []string
		status int
		want   string // in the error
	}{
		{[]string{"init", "--data-dir", free}, 2, "--cluster NAME is missing"},
		{[]string{"init", "--data-dir", free, "--cluster", "Prod"}, 2, "only lower-case letters"},
		{[]string{"init", "--data-dir", free, "--cluster", "prod", "x"}, 2, `"x" is too much`},
		{[]string{"init", "--data-dir", free, "--cluster", "prod", "--count", "0"}, 2, "--count 0: want 1 to 10000"},
		{[]string{"init", "--data-dir", dir, "--cluster", "prod"}, 1, "is secured already, as a member of cluster prod"},
		{[]string{"init", "--data-dir", free, "--cluster", "prod"}, 1, "may be the credential of another cluster"},
		{[]string{"init", "--data-dir", free, "--cluster", "x", "--credential-out", "/proc/x/y"}, 1, "give --credential-out FILE"},
		{[]string{"token", "--data-dir", filepath.Join(c.root, "none")}, 1, "/none: --data-dir names the folder that the manager"},
		{[]string{"token", "--data-dir", dir, "--ttl", "30"}, 2, `--ttl: got "30": want a duration with a unit, for example 30m or 24h`},
		{[]string{"token", "--data-dir", dir, "--count", "ten"}, 2, `--count: got "ten": want a whole number`},
		{[]string{"token", "--data-dir", dir, "--agian", "m-9"}, 2, "token: unknown flag --agian"},
		{[]string{"token", "--data-dir", dir, "--ttl"}, 2, "token: --ttl needs a value"},
		{[]string{"init", "--data-dir", free, "--tls", "perfer"}, 2, `--tls: got "perfer": want prefer or require`},
		{[]string{"token"}, 2, "--data-dir DIR is missing"},
		{[]string{"token", "--data-dir", dir, "--ttl", "1s"}, 2, "--ttl 1s: want 1m to 87600h (3650 days)"},
		{[]string{"token", "--data-dir", dir, "--ttl", "90000h"}, 2, "--ttl 90000h: want 1m"},
		{[]string{"token", "--data-dir", dir, "--count", "10001"}, 2, "want 1 to 10000"},
		{[]string{"token", "--data-dir", dir, "--again", "m-9"}, 1, `there is no manager "m-9" in cluster prod`},
		{[]string{"credential", "--data-dir", dir, "--role", "viewer"}, 2, "--name NAME is missing"},
		{[]string{"credential", "--data-dir", dir, "--name", "ci"}, 2, "--role ROLE is missing: viewer, operator or admin"},
		{[]string{"credential", "--data-dir", dir, "--app", "web"}, 2, "--store NAME is missing"},
		{[]string{"credential", "--data-dir", dir, "--store", "S"}, 2, "--app NAME is missing"},
		{[]string{"credential", "--data-dir", dir, "--app", "web", "--store", "S", "--role", "admin"}, 2, "leave --name, --role"},
		{[]string{"credential", "--data-dir", dir, "--app", "web", "--store", "a b"}, 1, "the store's name"},
		{[]string{"credential", "--data-dir", dir, "--name", "c i", "--role", "viewer"}, 1, "the user's name"},
		{[]string{"credential", "--data-dir", dir, "--name", "ci", "--role", "viewer", "--out", taken}, 1, "taken.pem exists"},
		{[]string{"revoke", "--data-dir", dir}, 2, "want revoke NAME"},
		{[]string{"revoke", "--data-dir", dir, "nobody"}, 1, "there is no user nobody of cluster prod: there is "},
		{[]string{"pki", "--data-dir", dir}, 2, "want pki status, pki rotate, pki settle, pki export or pki import"},
		{[]string{"pki", "settle", "--data-dir", dir}, 2, "want pki settle BRANCH"},
		{[]string{"pki", "settle", "--data-dir", dir, "1a2b3c4d"}, 1, "the access log has no branch"},
		{[]string{"pki", "status", "--data-dir", plain}, 1, "is not secured"},
		{[]string{"join", "127.23.36.18", c.token(dir), "--data-dir", free}, 1, "127.23.36.18:7801 does not speak TLS"},
		{[]string{"join", "127.23.36.17", c.token(dir), "--data-dir", free, "--again"}, 1, "is not secured: join without --again"},
	} {
		_, errors, status := c.command(r.args...)
		if status != r.status || !strings.Contains(errors, r.want) {
			t.Errorf("dkvmanager %s: %d, %s want %d, %s", strings.Join(r.args, " "), status, errors, r.status, r.want)
		}
		if strings.Count(errors, "\n") != 1 {
			t.Errorf("dkvmanager %s: the error is not one line: %s", strings.Join(r.args, " "), errors)
		}
	}
	if secured, err := os.ReadDir(filepath.Join(plain, "pki")); err == nil {
		t.Errorf("the plain manager has %d keys", len(secured))
	}
	plainManager.end(syscall.SIGTERM)
}

// token makes a token and returns it.
func (c *securedCluster) token(dir string) string {
	c.t.Helper()
	return strings.Fields(c.must("token", "--data-dir", dir))[3]
}
