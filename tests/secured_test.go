package tests

import (
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
}

func newSecuredRun(t *testing.T) *securedRun {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &securedRun{t: t, dir: t.TempDir(), lifeline: read}
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
	return cmd
}

// serve runs a line that serves, with the words of a server, and returns what it printed when it serves.
func (s *securedRun) serve(host string, line ...string) string {
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
	line = append(line, "--listen", host+":7801", "--data-dir", filepath.Join(s.dir, host), "--lifeline", "3")
	cmd := s.command("home", "dkvmanager", line...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = files[0], files[1], []*os.File{s.lifeline}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	s.t.Cleanup(func() {
		_ = s.write.Close() // the managers end
		select {
		case <-done:
		case <-time.After(20 * time.Second): // at the end of its lifeline it stops its instances
			_ = cmd.Process.Kill()
			s.t.Errorf("the manager on %s doesn't end", host)
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		log, err := os.ReadFile(paths[1])
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.Contains(string(log), "msg=serving") {
			break
		}
		if time.Now().After(end) {
			s.t.Fatalf("the manager on %s doesn't serve: %s", host, log)
		}
	}
	out, err := os.ReadFile(paths[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return string(out)
}

// The three lines of docs/security.md, to the letter, then a store, and a fourth server.
func TestSecured_ThreeLines(t *testing.T) {
	t.Parallel()
	s := newSecuredRun(t)
	hosts := []string{"127.46.1.11", "127.46.1.12", "127.46.1.13"}
	line := strings.Fields(s.serve(hosts[0], "init", "--cluster", "prod"))
	if len(line) != 4 || line[0] != "dkvmanager" {
		t.Fatalf("init printed %q", line)
	}
	s.serve(hosts[1], line[1:]...)
	s.serve(hosts[2], line[1:]...)
	run := func(home, code string) (string, bool) {
		said, err := s.command(home, "dkvrun", "-m", strings.Join(hosts, ","), "-e", code).CombinedOutput()
		return string(said), err == nil
	}
	if said, ok := run("home", "get_store()"); !ok || !strings.Contains(said, "\n{}\n") {
		t.Errorf("with the credential: %s", said)
	}
	if said, ok := run("stranger", "get_store()"); ok || strings.Count(said, "this manager is secured") < 3 {
		t.Errorf("without a credential: %s", said)
	}
	const use = `new_store{name = "S", instance_prefix = "s"}; start_store("S"); wait_ready("S")
		local s = connect_store("S"); s:put("k", "v"); return s:get("k")`
	if said, ok := run("home", use); !ok || !strings.HasSuffix(said, "\nv\n") {
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
	s.serve(hosts[3], line[1:]...)
	if said, ok := run("home", `return #managers()`); !ok || !strings.HasSuffix(said, "4\n") {
		t.Errorf("four managers: %s", said)
	}
	if said, ok := run("home", `stop_store("S")`); !ok {
		t.Errorf("stop: %s", said)
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
		if said, err := s.command("home", "dkvmanager", args...).CombinedOutput(); err != nil {
			s.t.Fatalf("the credential of %s: %v, %s", app, err, said)
		}
		code := `connect_store{"S", endpoints = {"` + endpoint + `"}}:put("` + app + `", "v")`
		var said []byte
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
