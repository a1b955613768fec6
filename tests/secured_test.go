package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// securedRun has the programs of a secured cluster, with a home folder of the test.
type securedRun struct {
	t        *testing.T
	dir      string
	lifeline *os.File // its read end, which managers hold
	write    *os.File // its write end
	// kill kills the manager of a host, and leaves its instances running.
	kill map[string]func()
	// variables are further environment variables of all programs.
	variables []string
}

func newSecuredRun(t *testing.T) *securedRun {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &securedRun{t: t, dir: t.TempDir(), lifeline: read, kill: map[string]func(){}}
	t.Cleanup(func() { _ = read.Close() })
	for _, home := range []string{"home", "stranger"} {
		if err := os.Mkdir(filepath.Join(s.dir, home), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.write = write
	return s
}

// command returns a program as a user with a home folder runs it.
func (s *securedRun) command(home, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(program(name), args...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(s.dir, home), "XDG_CONFIG_HOME=", "DKVRUN_CREDENTIAL=", "DKVRUN_TOKEN_FILE=")
	cmd.Env = append(cmd.Env, s.variables...)
	return cmd
}

// serve runs a line that serves, with the words of a server, and returns what it printed when it serves.
func (s *securedRun) serve(host string, line ...string) string {
	s.t.Helper()
	return s.start(host, append(line, "--listen", host+":7801", "--data-dir", filepath.Join(s.dir, host))...)
}

// start runs a whole line that serves, and returns what it printed when it serves.
func (s *securedRun) start(host string, line ...string) string {
	s.t.Helper()
	return s.startProgram("dkvmanager", "", host, line...)
}

// startProgram does the same with a program and a failpoint.
func (s *securedRun) startProgram(name, failpoint, host string, line ...string) string {
	s.t.Helper()
	paths := [2]string{filepath.Join(s.dir, host+".out"), filepath.Join(s.dir, host+".log")}
	var files [2]*os.File
	for i, path := range paths {
		file, err := os.Create(path)
		if err != nil {
			s.t.Fatal(err)
		}
		defer file.Close()
		files[i] = file
	}
	cmd := s.command("home", name, append(line, "--lifeline", "3")...)
	cmd.Env = append(cmd.Env, "DKV_FAILPOINT="+failpoint)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = files[0], files[1], []*os.File{s.lifeline}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	s.kill[host] = func() { _ = cmd.Process.Kill(); <-done }
	s.t.Cleanup(func() {
		_ = s.write.Close() // the managers end
		select {
		case <-done:
		case <-time.After(20 * time.Second): // at the end of its lifeline it stops its instances
			_ = cmd.Process.Kill()
			s.t.Errorf("the manager on %s doesn't end", host)
		}
	})
	s.waitLog(host, "msg=serving")
	out, err := os.ReadFile(paths[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return string(out)
}

// waitLog waits until the log of the manager of a host has some words.
func (s *securedRun) waitLog(host, words string) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		log, err := os.ReadFile(filepath.Join(s.dir, host+".log"))
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.Contains(string(log), words) {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("the log of the manager on %s doesn't have %q: %s", host, words, log)
		}
	}
}

// pageLine returns a line of code of docs/security.md, by the words with which its command begins, which must be there
// once.
func pageLine(t *testing.T, begins string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(page)) {
		if code, is := strings.CutPrefix(line, "    "); is {
			if at := strings.Index(code, begins); at >= 0 {
				found = append(found, strings.TrimSpace(code[at:]))
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("docs/security.md has %d lines with %q: %q", len(found), begins, found)
	}
	return found[0]
}

// The lines of docs/security.md that make a cluster of three servers, and the one that uses it, read from the page.
// Only addresses, folders and the token are other ones. Then a store, and a fourth server, which gets an instance, and
// leaves.
func TestSecured_ThreeLines(t *testing.T) {
	t.Parallel()
	s := newSecuredRun(t)
	hosts := []string{"127.46.1.11", "127.46.1.12", "127.46.1.13"}
	// at returns a line of the page for a server, which the page gives an address.
	at := func(line, address, host string) []string {
		line = strings.ReplaceAll(line, address, host)
		line = strings.ReplaceAll(line, "10.0.0.11", hosts[0])
		return strings.Fields(strings.ReplaceAll(line, "/var/lib/dkv", filepath.Join(s.dir, host)))[1:]
	}
	printed := strings.Fields(s.start(hosts[0], at(pageLine(t, "dkvmanager init --listen"), "10.0.0.11", hosts[0])...))
	join := pageLine(t, "dkvmanager join 10.0.0.11:7801 dkv1-…")
	if len(printed) != 4 || strings.Join(printed[:3], " ") != "dkvmanager join "+hosts[0]+":7801" {
		t.Fatalf("init printed %q", printed)
	}
	join = strings.Replace(join, "dkv1-…", printed[3], 1)
	s.start(hosts[1], at(join, "10.0.0.12", hosts[1])...)
	s.start(hosts[2], at(join, "10.0.0.12", hosts[2])...)
	run := func(home, code string) (string, bool) {
		said, err := s.command(home, "dkvrun", "-m", strings.Join(hosts, ","), "-e", code).CombinedOutput()
		return string(said), err == nil
	}
	use := s.command("home", "dkvrun")
	line := pageLine(t, "dkvrun -m 10.0.0.11,10.0.0.12,10.0.0.13 -e 'get_store()'")
	for i, host := range hosts {
		line = strings.ReplaceAll(line, fmt.Sprintf("10.0.0.%d", 11+i), host)
	}
	shell := exec.Command("sh", "-c", line)
	shell.Env = append(use.Env, "PATH="+filepath.Dir(use.Path)+":"+os.Getenv("PATH"))
	if said, err := shell.CombinedOutput(); err != nil || !strings.Contains(string(said), "\n{}\n") {
		t.Errorf("with the credential: %s", said)
	}
	if said, ok := run("stranger", "get_store()"); ok || !strings.Contains(said, "this manager is secured") {
		t.Errorf("without a credential: %s", said)
	}
	const life = `new_store{name = "S", instance_prefix = "s"}; start_store("S"); wait_ready("S")
		local s = connect_store("S"); s:put("k", "v"); return s:get("k")`
	if said, ok := run("home", life); !ok || !strings.HasSuffix(said, "\nv\n") {
		t.Errorf("a store: %s", said)
	}
	const certificates = `local n, by = 0, {}
		for _, row in ipairs(list_certificates():check()) do
			assert(row.tls == "require" and row.authority == row.authorities[1] and #row.authorities == 1 and not row.problem, row.who)
			n, by[row.authority] = n + 1, true
		end
		assert(next(by, next(by)) == nil)
		return n`
	if said, ok := run("home", certificates); !ok || !strings.HasSuffix(said, "\n6\n") {
		t.Errorf("the certificates of three managers and three instances: %s", said)
	}
	s.checkApplications(hosts[0], func(code string) string { said, _ := run("home", code); return said })
	if said, ok := run("stranger", `stop_store("S")`); ok {
		t.Errorf("stopped without a credential: %s", said)
	}
	hosts = append(hosts, "127.46.1.14")
	s.start(hosts[3], at(join, "10.0.0.12", hosts[3])...)
	if said, ok := run("home", `return #managers()`); !ok || !strings.HasSuffix(said, "4\n") {
		t.Errorf("four managers: %s", said)
	}
	const extend = `add_instance{"S", instance_name = "s-4", host = "127.46.1.14"}:check(); wait_ready("S")
		return connect_store{"S", endpoints = "127.46.1.14:7861"}:get("k")`
	if said, ok := run("home", extend); !ok || !strings.HasSuffix(said, "\nv\n") {
		t.Errorf("an instance on the fourth: %s", said)
	}
	if said, ok := run("home", `remove_instance("S", "s-4"):check(); wait_ready("S")`); !ok {
		t.Errorf("without that instance: %s", said)
	}
	id, err := os.ReadFile(filepath.Join(s.dir, hosts[3], "identity"))
	if err != nil {
		t.Fatal(err)
	}
	revoke := s.command("home", "dkvmanager", "revoke", "--data-dir", filepath.Join(s.dir, hosts[0]),
		"dkv://manager.prod/"+strings.TrimSpace(string(id)))
	if said, err := revoke.CombinedOutput(); err != nil {
		t.Errorf("revoke: %s", said)
	}
	hosts = hosts[:3]
	for _, host := range hosts {
		if err := poll(5*time.Second, func() error {
			said, err := s.command("home", "dkvmanager", "pki", "status", "--data-dir", filepath.Join(s.dir, host)).CombinedOutput()
			if err == nil && strings.Contains(string(said), "127.46.1.14") {
				err = fmt.Errorf("%s lists the fourth still: %s", host, said)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	if said, ok := run("home", `return connect_store("S"):get("k")`); !ok || !strings.HasSuffix(said, "\nv\n") {
		t.Errorf("after the fourth has left: %s", said)
	}
	stop := s.command("home", "dkvrun", "-m", strings.Join(hosts, ","), "--reason", "ticket 12: größer", "-e", `stop_store("S")`)
	if said, err := stop.CombinedOutput(); err != nil {
		t.Errorf("stop: %v, %s", err, said)
	}
	for _, host := range hosts {
		args := []string{"audit", "show", "--data-dir", filepath.Join(s.dir, host), "--action", "StopInstance"}
		said, err := s.command("home", "dkvmanager", args...).CombinedOutput()
		if text := string(said); err != nil || strings.Count(text, "\n") != 1 || !strings.Contains(text, `"role":"admin"`) ||
			!strings.Contains(text, `"reason":"ticket 12: größer"`) {
			t.Errorf("the audit log of %s has %s, %v", host, said, err)
		}
	}
}

// checkUse runs the lines for the shell that were printed with the credential of application web, once instances know
// it.
func (s *securedRun) checkUse(app, printed string, admin func(code string) string) {
	s.t.Helper()
	if app == "other" {
		if !strings.Contains(printed, "store T is not in the catalog of this manager") {
			s.t.Errorf("the credential for a store that is not here: %s", printed)
		}
		return
	}
	first, line, _ := strings.Cut(strings.TrimSpace(printed), "\n")
	if strings.Count(first, "https://127.") != 3 || !strings.HasPrefix(first, "endpoints of store S: ") {
		s.t.Errorf("the endpoints of store S: %s", printed)
	}
	admin(`connect_store("S"):put("printed", "v")`)
	roots, line, _ := strings.Cut(line, "\n")
	if said, err := exec.Command("sh", "-c", roots).CombinedOutput(); err != nil {
		s.t.Errorf("%s: %v, %s", roots, err, said)
	}
	words := strings.Fields(strings.Replace(line, "get KEY", "get printed", 1))
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		said, _ := exec.Command(program(words[0]), words[1:]...).CombinedOutput()
		if string(said) == "printed\nv\n" {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: %s", line, said)
		}
	}
}

// checkApplications makes credentials of applications of store S on a server, as docs/security.md says, and uses them.
// admin runs an expression with the admin's credential and returns what it prints.
func (s *securedRun) checkApplications(host string, admin func(code string) string) {
	s.t.Helper()
	lines := strings.Fields(admin(`return connect_store("S").endpoints[1]`))
	endpoint := lines[len(lines)-1]
	writes := map[string]bool{"web": true, "report": false, "other": false}
	for app, flags := range map[string][]string{
		"web": {"--store", "S"}, "report": {"--store", "S", "--read-only"}, "other": {"--store", "T"},
	} {
		file := filepath.Join(s.dir, app+".pem")
		args := append([]string{"credential", "--data-dir", filepath.Join(s.dir, host), "--app", app, "--out", file}, flags...)
		said, err := s.command("home", "dkvmanager", args...).CombinedOutput()
		if err != nil {
			s.t.Fatalf("the credential of %s: %v, %s", app, err, said)
		}
		s.checkUse(app, string(said), admin)
		code := `connect_store{"S", endpoints = {"` + endpoint + `"}}:put("` + app + `", "v")`
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) { // the instance learns of it
			said, _ = s.command("stranger", "dkvrun", "--credential", file, "-e", code).CombinedOutput()
			if !strings.Contains(string(said), "has no role") || time.Now().After(end) {
				break
			}
		}
		if got := admin(`return connect_store("S"):get("` + app + `")`); strings.HasSuffix(got, "\nv\n") != writes[app] {
			s.t.Errorf("after a write of application %s, which said %s, the store has %s", app, said, got)
		}
	}
}
