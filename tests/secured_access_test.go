package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// accessRun is a secured cluster whose admin manages access from runbooks.
type accessRun struct {
	*securedRun
	hosts []string
}

// newAccessRun starts a secured cluster on hosts, with store S.
func newAccessRun(t *testing.T, hosts ...string) *accessRun {
	t.Helper()
	a := &accessRun{newSecuredRun(t), hosts}
	line := strings.Fields(a.serve(hosts[0], "init", "--cluster", "prod"))
	for _, host := range hosts[1:] {
		a.serve(host, line[1:]...)
	}
	a.must("home", `new_store{"S", instance_prefix = "s"}:check(); start_store("S"):check(); wait_ready("S")`)
	return a
}

// file returns the path of a credential.
func (a *accessRun) file(name string) string { return filepath.Join(a.dir, name) }

// run runs a chunk as the user with a home folder, and flags.
func (a *accessRun) run(home, code string, flags ...string) (string, bool) {
	args := append([]string{"-m", strings.Join(a.hosts, ",")}, flags...)
	said, err := a.command(home, "dkvrun", append(args, "-e", code)...).CombinedOutput()
	return string(said), err == nil
}

// must runs a chunk that has to succeed.
func (a *accessRun) must(home, code string, flags ...string) string {
	a.t.Helper()
	said, ok := a.run(home, code, flags...)
	if !ok {
		a.t.Fatalf("%s: %s", code, said)
	}
	return said
}

// refused runs a chunk that has to fail with certain words.
func (a *accessRun) refused(words, home, code string, flags ...string) {
	a.t.Helper()
	if said, ok := a.run(home, code, flags...); ok || !strings.Contains(said, words) {
		a.t.Errorf("%s: want %q, got %v: %s", code, words, ok, said)
	}
}

// lines returns the number of lines of the access log on a host.
func (a *accessRun) lines(host string) int {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, host, "pki", "access.log"))
	if err != nil {
		a.t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

// as returns the flag for a credential.
func (a *accessRun) as(name string) []string { return []string{"--credential", a.file(name)} }

// A new credential works at once, at the managers too that have not heard of it yet: a certificate, also one that takes
// the place of another, and a bearer token.
func TestAccess_NewCredentialsWorkAtOnce(t *testing.T) {
	t.Parallel()
	a := newAccessRun(t, "127.46.8.11", "127.46.8.12", "127.46.8.13")
	for i := range 4 {
		for _, flags := range [][]string{{"--credential", a.file("ci.pem")}, {"--token-file", a.file("job.token")}} {
			args := []string{"credential", "--data-dir", filepath.Join(a.dir, a.hosts[0]), "--name", "ci", "--role", "viewer", "--out", flags[1]}
			if flags[0] == "--token-file" {
				args[4] = fmt.Sprintf("job-%d", i)
				args = append(args, "--token")
			}
			_ = os.Remove(flags[1])
			if said, err := a.command("home", "dkvmanager", args...).CombinedOutput(); err != nil {
				t.Fatalf("%s", said)
			}
			if said, ok := a.run("stranger", `return #get_store():check()`, append(flags, "--quiet")...); !ok || said != "3\n" {
				t.Errorf("%d, %s: %s", i, flags[0], said)
			}
		}
	}
}

func TestAccess_Users(t *testing.T) {
	t.Parallel()
	a := newAccessRun(t, "127.56.3.11", "127.56.3.12", "127.56.3.13")
	said := a.must("home", "list_access()")
	if strings.Count(said, "\nmanager ") != 3 || strings.Count(said, "authority") != 1 || strings.Count(said, "\nuser ") != 1 {
		t.Errorf("list_access shows %s", said)
	}
	for _, line := range strings.Split(said[strings.Index(said, "kind"):], "\n") {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("a line of over 80 columns: %s", line)
		}
	}
	grant := func(fields, out string) string {
		return fmt.Sprintf(`grant_access{%s, out = %q}`, fields, a.file(out))
	}
	before := a.lines(a.hosts[0])
	if said := a.must("home", grant(`name = "ci", role = "operator", ttl = "24h"`, "ci.pem"), "--dry-run"); strings.Count(said, "PLANNED") != 3 {
		t.Errorf("a dry run: %s", said)
	}
	if _, err := os.Stat(a.file("ci.pem")); err == nil || a.lines(a.hosts[0]) != before {
		t.Error("a dry run has changed something")
	}
	said = a.must("home", grant(`name = "ci", role = "operator", ttl = "24h"`, "ci.pem"))
	if strings.Count(said, "SUCCESS") != 3 || !strings.Contains(said, "user ci of cluster prod is operator until") {
		t.Errorf("grant_access: %s", said)
	}
	for _, host := range a.hosts { // all managers have the line when the call returns
		if n := a.lines(host); n != before+1 {
			t.Errorf("%s has %d lines, want %d", host, n, before+1)
		}
	}
	info, err := os.Stat(a.file("ci.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file: %v, %v", info, err)
	}
	key, err := os.ReadFile(a.file("ci.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if secret := strings.Split(string(key[strings.Index(string(key), "PRIVATE KEY-----"):]), "\n")[1]; strings.Contains(said, secret) {
		t.Error("the key is shown")
	}
	a.refused("ci.pem exists: name a new file", "home", grant(`name = "ci", role = "operator"`, "ci.pem"))
	a.must("stranger", `stop_store("S"):check(); start_store("S"):check(); return list_access():check()`, a.as("ci.pem")...)
	a.refused("operator ci may not change a topology: that takes admin", "stranger", `new_store{"T", instance_prefix = "t"}:check()`, a.as("ci.pem")...)
	a.refused("operator ci may not read the access log: that takes admin or manager", "stranger",
		grant(`name = "eve", role = "admin"`, "eve.pem"), a.as("ci.pem")...)
	// A bearer token, whose secret is in the file alone. It can't sign.
	said = a.must("home", grant(`name = "job", role = "admin", token = true`, "job.pem"))
	if strings.Contains(said, "dkvb1-") {
		t.Errorf("the token is shown: %s", said)
	}
	a.must("stranger", `get_store():check()`, "--token-file", a.file("job.pem"))
	if said := a.must("stranger", `return retry{times = 50, delay_sec = 0.2, backoff = 1, f = function()
		local s = connect_store("S")
		s:put("by", "job")
		return s:get("by")
	end}`,
		"--token-file", a.file("job.pem")); !strings.HasSuffix(said, "job\n") {
		t.Errorf("a store with a bearer token: %s", said)
	}
	a.refused("can't sign the change: that takes the certificate of an admin", "stranger", `revoke_access("ci")`, "--token-file", a.file("job.pem"))
	for words, fields := range map[string]string{
		"parameter ttl":                      `name = "x", role = "viewer", ttl = 59`,
		"parameter role":                     `name = "x", role = "root"`,
		"parameter role: is missing":         `name = "x"`,
		"parameter store: is missing":        `app = "x"`,
		"leave name, role and token out":     `app = "x", store = "S", token = true`,
		"store and read_only are for":        `name = "x", role = "viewer", store = "S"`,
		"parameter out":                      `name = "x", role = "viewer", out = ""`,
		"name a user or job, or an applicat": `role = "viewer"`,
	} {
		if !strings.Contains(fields, "out =") {
			fields += `, out = "` + a.file("x.pem") + `"`
		}
		a.refused(words, "home", `grant_access{`+fields+`}`)
	}
	a.refused("no such file or directory", "home", grant(`name = "x", role = "viewer"`, "missing/x.pem"))
	said = a.must("home", `revoke_access("ci")`)
	if strings.Count(said, "Revoked user ci of cluster prod") != 3 {
		t.Errorf("revoke_access: %s", said)
	}
	a.refused("is revoked", "stranger", `get_store()`, a.as("ci.pem")...)
	a.refused("nobody named ci has access", "home", `revoke_access("ci")`)
	a.refused("did you mean job?", "home", `revoke_access("jub")`)
	a.must("home", `local digits
		for _, row in ipairs(list_access()) do if row.kind == "bearer token" then digits = row.token end end
		revoke_access(digits):check()`)
	a.refused("unknown or revoked", "stranger", `get_store()`, "--token-file", a.file("job.pem"))
}

// An admin can't lock everybody out, or itself, without saying so.
func TestAccess_Admins(t *testing.T) {
	t.Parallel()
	a := newAccessRun(t, "127.56.4.11", "127.56.4.12")
	own := `local own
		for _, row in ipairs(list_access()) do if row.role == "admin" then own = row end end `
	for _, change := range []string{`revoke_access(own.name)`, `revoke_access(own.uri)`, `revoke_access(own.serial)`,
		`grant_access{name = own.name, role = "viewer", out = "` + a.file("x.pem") + `"}`} {
		a.refused("it would end the certificate of the last admin", "home", own+change)
	}
	for _, manager := range []string{`for _, row in ipairs(list_access()) do if row.authority then revoke_access(row.uri) end end`} {
		a.refused("its server holds the authority's key", "home", manager)
	}
	a.must("home", `grant_access{name = "eve", role = "admin", out = "`+a.file("eve.pem")+`"}:check()`)
	a.refused("it would end the certificate that this run uses", "stranger", `revoke_access("eve")`, a.as("eve.pem")...)
	// Its own renewal ends the credential that signs it; all managers are known to have the line nevertheless.
	if said := a.must("stranger", `grant_access{name = "eve", role = "admin", out = "`+a.file("eve2.pem")+`"}:check()`,
		a.as("eve.pem")...); strings.Count(said, "SUCCESS") != 2 {
		t.Errorf("the renewal: %s", said)
	}
	a.refused("is revoked", "stranger", `get_store()`, a.as("eve.pem")...)
	// Ten changes of two admins at the same time.
	var all sync.WaitGroup
	for i := range 5 {
		for name, flags := range map[string][]string{"home": nil, "stranger": a.as("eve2.pem")} {
			all.Go(func() {
				a.must(name, fmt.Sprintf(`grant_access{name = "%s-%d", role = "viewer", token = true, out = %q}:check()`, name, i,
					a.file(fmt.Sprintf("%s-%d.pem", name, i))), flags...)
			})
		}
	}
	all.Wait()
	if said := a.must("home", `local n = 0
		for _, row in ipairs(list_access():check()) do
			assert(row.kind ~= "fork")
			if row.kind == "bearer token" then n = n + 1 end
		end
		return n`); !strings.HasSuffix(said, "\n10\n") && said != "10\n" {
		t.Errorf("ten changes at once: %s", said)
	}
	a.must("stranger", `revoke_access("eve", {force = true})`, a.as("eve2.pem")...)
	a.refused("is revoked", "stranger", `get_store()`, a.as("eve2.pem")...)
}

// An application uses its store with its own credential, and nothing else.
func TestAccess_Applications(t *testing.T) {
	t.Parallel()
	a := newAccessRun(t, "127.56.5.11", "127.56.5.12")
	grant := func(fields, out string) {
		a.must("home", fmt.Sprintf(`grant_access{%s, out = %q}:check()`, fields, a.file(out)))
	}
	grant(`app = "web", store = "S"`, "web.pem")
	grant(`app = "report", store = "S", read_only = true`, "report.pem")
	grant(`app = "other", store = "T"`, "other.pem")
	use := func(file, code string) (said string, ok bool) {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) { // the instance learns of it
			said, ok = a.run("stranger", code, a.as(file)...)
			if ok || !strings.Contains(said, "has no role") || time.Now().After(end) {
				return said, ok
			}
		}
	}
	if said, ok := use("web.pem", `local s = connect_store("S"); s:put("k", "v"); return s:get("k")`); !ok || !strings.HasSuffix(said, "v\n") {
		t.Errorf("the application: %s", said)
	}
	if said, ok := use("report.pem", `return connect_store("S"):get("k")`); !ok || !strings.HasSuffix(said, "v\n") {
		t.Errorf("the reader: %s", said)
	}
	if said, ok := use("report.pem", `connect_store("S"):put("k", "w")`); ok || !strings.Contains(said, "app-readonly") && !strings.Contains(said, "read") {
		t.Errorf("the reader writes: %s", said)
	}
	a.refused("may not read a store's client ports: only for its own store", "stranger", `connect_store("S")`, a.as("other.pem")...)
	a.refused("app web may not list stores: that takes viewer", "stranger", `get_store()`, a.as("web.pem")...)
	if said := a.must("home", `return connect_store("S"):get("k")`); !strings.HasSuffix(said, "v\n") {
		t.Errorf("the store has %s", said)
	}
	a.must("home", `revoke_access("dkv://app.prod/S/web"):check()`)
	a.refused("is revoked", "stranger", `connect_store("S")`, a.as("web.pem")...)
}

// A change reaches the managers that answer, and the others when they are back. What an interrupted run has left is
// completed, or begun anew.
func TestAccess_Interrupted(t *testing.T) {
	t.Parallel()
	a := newAccessRun(t, "127.56.6.11", "127.56.6.12", "127.56.6.13")
	grant := func(fields, out string) string { return fmt.Sprintf(`grant_access{%s, out = %q}`, fields, a.file(out)) }
	a.kill[a.hosts[2]]()
	said, ok := a.run("home", grant(`name = "ci", role = "operator"`, "ci.pem"))
	if ok || strings.Count(said, "SUCCESS") != 2 || strings.Count(said, "FAILED") != 1 {
		t.Errorf("with a manager that is down: %v, %s", ok, said)
	}
	a.must("home", `get_store()`, "--allow-down", "--credential", a.file("ci.pem"))
	number := a.lines(a.hosts[0])
	a.serve(a.hosts[2])
	a.waitLines(a.hosts[2], number)
	// The answer to the line was lost, and the run ended: the file has its other name.
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Rename(a.file("ci.pem"), a.file("ci.pem.unfinished")))
	if said := a.must("home", grant(`name = "ci", role = "operator"`, "ci.pem")); strings.Count(said, "SUCCESS") != 3 {
		t.Errorf("the same call again: %s", said)
	}
	if a.lines(a.hosts[0]) != number {
		t.Error("what was granted is granted again")
	}
	a.must("stranger", `get_store():check()`, a.as("ci.pem")...)
	// The line was never written: the credential there has no role, and another one is made.
	text, err := os.ReadFile(a.file("ci.pem"))
	must(err)
	must(os.WriteFile(a.file("x.pem.unfinished"), text, 0o600))
	a.must("home", grant(`name = "x", role = "viewer"`, "x.pem")+":check()")
	a.must("stranger", `get_store():check()`, a.as("x.pem")...)
	must(os.WriteFile(a.file("y.pem.unfinished"), []byte("mine"), 0o600))
	a.refused("move it away", "home", grant(`name = "y", role = "viewer"`, "y.pem"))
	for _, left := range []string{"ci.pem.unfinished", "x.pem.unfinished", "y.pem"} {
		if _, err := os.Lstat(a.file(left)); err == nil {
			t.Errorf("%s is there", left)
		}
	}
}

// The manager that takes a line is killed before it answers: another one takes the same line, and no fork arises. The
// manager of the authority is then down, which the certificates of users need, and nothing else.
func TestAccess_LostAnswer(t *testing.T) {
	t.Parallel()
	a := newAccessRun(t, "127.56.7.11", "127.56.7.12", "127.56.7.13")
	grant := func(fields, out string) string { return fmt.Sprintf(`grant_access{%s, out = %q}`, fields, a.file(out)) }
	a.kill[a.hosts[0]]()
	a.startProgram("dkvmanager-failpoints", "access.written=kill", a.hosts[0],
		"--listen", a.hosts[0]+":7801", "--data-dir", a.file(a.hosts[0]))
	before := a.lines(a.hosts[0])
	said, _ := a.run("home", grant(`name = "ci", role = "viewer", token = true`, "ci.pem"))
	if strings.Count(said, "SUCCESS") != 2 || a.lines(a.hosts[0]) != before+1 || a.lines(a.hosts[1]) != before+1 {
		t.Errorf("%d and %d lines after %d: %s", a.lines(a.hosts[0]), a.lines(a.hosts[1]), before, said)
	}
	a.must("stranger", `get_store()`, "--allow-down", "--token-file", a.file("ci.pem"))
	a.refused("certificates of users are made by manager", "home", grant(`name = "eve", role = "viewer"`, "eve.pem"))
	if said, _ := a.run("home", grant(`app = "web", store = "S"`, "web.pem")); strings.Count(said, "SUCCESS") != 2 {
		t.Errorf("an application: %s", said)
	}
	if said, _ := a.run("home", `revoke_access("ci")`); strings.Count(said, "SUCCESS") != 2 {
		t.Errorf("a revocation: %s", said)
	}
	a.kill[a.hosts[0]]()
	a.serve(a.hosts[0])
	a.waitLines(a.hosts[0], before+3)
	if said := a.must("home", `for _, row in ipairs(list_access():check()) do assert(row.kind ~= "fork" and row.name ~= "ci") end`); strings.Contains(said, "another one") {
		t.Errorf("the managers differ: %s", said)
	}
	a.refused("unknown or revoked", "stranger", `get_store()`, "--token-file", a.file("ci.pem"))
	a.must("home", grant(`name = "eve", role = "viewer"`, "eve.pem")+":check()")
}

// waitLines waits until the access log on a host has so many lines.
func (a *accessRun) waitLines(host string, number int) {
	a.t.Helper()
	err := poll(20*time.Second, func() error {
		if n := a.lines(host); n < number {
			return fmt.Errorf("%s has %d lines of the access log, want %d", host, n, number)
		}
		return nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
}
