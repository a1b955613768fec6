package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	credentials "dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// switched is a cluster that is secured while it runs. Its instances outlive their managers, as on real servers.
type switched struct {
	*securedRun
	hosts    []string
	managers map[string]*exec.Cmd
}

func newSwitched(t *testing.T, block int) *switched {
	t.Helper()
	s := &switched{securedRun: newSecuredRun(t), managers: map[string]*exec.Cmd{}}
	for i := range 3 {
		s.hosts = append(s.hosts, fmt.Sprintf("127.47.%d.%d", block, 11+i))
	}
	t.Cleanup(func() {
		for _, host := range s.hosts {
			if s.managers[host] != nil {
				s.end(host)
			}
		}
		for _, pid := range s.processes() { // the instances
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return s
}

// processes returns the processes whose command line names this test's folder.
func (s *switched) processes() (found []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, err := os.ReadFile(file)
		var pid int
		if _, bad := fmt.Sscanf(file, "/proc/%d/cmdline", &pid); err == nil && bad == nil && bytes.Contains(text, []byte(s.dir+"/")) {
			found = append(found, pid)
		}
	}
	return found
}

// folder returns the data folder of a server.
func (s *switched) folder(host string) string { return filepath.Join(s.dir, host) }

// line returns the words of a line of docs/security.md, found by those with which it begins, for a server. Only
// addresses, the folder, the token and the runbook's path are other ones.
func (s *switched) line(begins, host, token string) []string {
	s.t.Helper()
	all := strings.Join(s.hosts, ",")
	line := strings.NewReplacer("10.0.0.11,10.0.0.12,10.0.0.13", all, "join --tls=prefer 10.0.0.11", "join --tls=prefer "+s.hosts[0],
		"10.0.0.11", host, "10.0.0.12", host, "/var/lib/dkv", s.folder(host), "dkv1-…", token, "scripts/", "../scripts/",
	).Replace(pageLine(s.t, begins))
	return strings.Fields(line)[1:]
}

// start starts the manager of a server with the words of its command line, and waits until it serves. It returns what
// the command has printed.
func (s *switched) start(host string, line ...string) string {
	s.t.Helper()
	logPath := s.folder(host) + ".log"
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	before, err := log.Seek(0, 2)
	if err != nil {
		s.t.Fatal(err)
	}
	printed := filepath.Join(s.dir, host+".out")
	out, err := os.Create(printed)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	cmd := s.command("home", "dkvmanager", line...)
	cmd.Stdout, cmd.Stderr = out, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.managers[host] = cmd
	s.eventually("the manager on "+host+" serves", func() (bool, string) {
		text, err := os.ReadFile(logPath)
		return err == nil && strings.Contains(string(text[before:]), "msg=serving"), string(text[before:])
	})
	text, err := os.ReadFile(printed)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// end ends the manager of a server. Its instances go on.
func (s *switched) end(host string) {
	s.t.Helper()
	cmd := s.managers[host]
	delete(s.managers, host)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	_ = cmd.Wait()
}

func (s *switched) eventually(what string, look func() (bool, string)) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ok, text := look()
		if ok {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("not yet: %s: %s", what, text)
		}
	}
}

// run runs dkvrun as a user with a home folder. Managers are named as the scheme says, empty for the runner's default.
func (s *switched) run(home, scheme string, args ...string) (string, bool) {
	var at []string
	for _, host := range s.hosts {
		at = append(at, scheme+host)
	}
	said, err := s.command(home, "dkvrun", append([]string{"-m", strings.Join(at, ",")}, args...)...).CombinedOutput()
	return string(said), err == nil
}

func (s *switched) must(home, scheme string, args ...string) string {
	s.t.Helper()
	said, ok := s.run(home, scheme, args...)
	if !ok {
		s.t.Fatalf("%q: %s", args, said)
	}
	return said
}

// runbook is the shipped runbook.
const runbook = "../scripts/secure_cluster.lua"

// book runs the line of the page for the runbook, which must succeed.
func (s *switched) book(begins string) string {
	s.t.Helper()
	said, err := s.command("home", "dkvrun", s.line(begins, "", "")...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("the runbook: %v, %s", err, said)
	}
	return string(said)
}

// killAt runs the runbook and kills it when it has printed a text.
func (s *switched) killAt(text string) {
	s.t.Helper()
	cmd := s.command("home", "dkvrun", "-m", strings.Join(s.hosts, ","), runbook)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	seen := false
	for lines := bufio.NewScanner(out); !seen && lines.Scan(); {
		seen = strings.Contains(lines.Text(), text)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !seen {
		s.t.Fatalf("the runbook did not print %q", text)
	}
}

// plain makes a request without TLS to the manager of a server.
func (s *switched) plain(host, token string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+host+":7801"+wire.StoresPath(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var result wire.Result
	_ = json.NewDecoder(resp.Body).Decode(&result) // a list of stores has none
	return resp.StatusCode, result.Message
}

// The lines of docs/security.md from three managers without security, with a store under load, to managers that
// require TLS, read from the page. The load ignores the change: its clients speak no TLS, and repeat what fails.
func TestSecureCluster_UnderLoad(t *testing.T) {
	t.Parallel()
	s := newSwitched(t, 1)
	for _, host := range s.hosts {
		s.start(host, "--listen", host+":7801", "--data-dir", s.folder(host))
	}
	s.must("stranger", "", "-e", `new_store{"S", instance_prefix = "s"}:check() start_store{"S", parallel = true}:check() wait_ready("S")`)
	first, third := s.hosts[0], s.hosts[2]

	// The flag is needed, and nothing is half done without it.
	s.end(first)
	init := s.line("dkvmanager init --tls=prefer", first, "")
	without := slices.DeleteFunc(slices.Clone(init), func(word string) bool { return word == "--tls=prefer" })
	said, err := s.command("home", "dkvmanager", without...).CombinedOutput()
	if err == nil || !strings.Contains(string(said), "add --tls=prefer") {
		t.Fatalf("init without --tls=prefer: %v, %s", err, said)
	}
	words := strings.Fields(s.start(first, init...))
	if len(words) != 4 {
		t.Fatalf("init printed %q", words)
	}
	join := func(host string) { s.start(host, s.line("dkvmanager join --tls=prefer", host, words[3])...) }

	// Managers that are not secured and one that is work together, for somebody without a credential.
	s.must("stranger", "", "-e", `add_instance{"S", hosts = "`+first+`"}:check() wait_ready("S")`)
	nodes := []wire.Node{{Name: "s-4", Host: first, ClientPort: 7862}}
	for i, host := range s.hosts {
		nodes = append(nodes, wire.Node{Name: fmt.Sprintf("s-%d", i+1), Host: host, ClientPort: 7861})
	}
	load := startLoad(nodes)
	defer load.stop()

	s.end(s.hosts[1])
	join(s.hosts[1])
	mixed := []string{"-m", fmt.Sprintf("https://%s,https://%s,http://%s", first, s.hosts[1], third)}
	said, err = s.command("home", "dkvrun", append(mixed, runbook)...).CombinedOutput()
	if err == nil || !strings.Contains(string(said), "Not secured yet: "+third+":7801") && !strings.Contains(string(said), "Not secured yet: http://"+third) {
		t.Errorf("with a server that is not secured: %s", said)
	}
	said, err = s.command("home", "dkvrun", append(mixed, "-e", `secure_store("S"):check()`)...).CombinedOutput()
	if err == nil || !strings.Contains(string(said), third) || !strings.Contains(string(said), "is not secured") {
		t.Errorf("the switch with a server that is not secured: %s", said)
	}
	const state = `local s = store_status("S"):check() print(s.revision) for _, i in ipairs(s.instances) do print(i.name, i.client_tls, i.cluster_tls) end`
	if said := s.must("stranger", "http://", "-e", state); !strings.Contains(said, "2\ns-1\tnil\tfalse\ns-2\tnil\tfalse\ns-3\tnil\tfalse\ns-4\tprefer\tfalse\n") {
		t.Errorf("after what was refused: %s", said)
	}
	s.end(third)
	join(third)
	s.checkBurnt()

	before := s.must("home", "", "-e", state)
	if said := s.book("dkvrun --dry-run -m"); !strings.Contains(said, "This was a dry run") || s.must("home", "", "-e", state) != before {
		t.Errorf("a dry run: %s", said)
	}

	s.killAt("client ports")
	s.killAt("SecureStore")
	const book = "dkvrun -m 10.0.0.11,10.0.0.12,10.0.0.13 scripts/secure_cluster.lua"
	done := s.book(book)
	if !strings.Contains(done, "All stores are switched. Last step") {
		t.Errorf("the runbook: %s", done)
	}
	t.Log(done)
	if said := s.must("home", "", "-e", state); strings.Count(said, "\tprefer\ttrue\n") != 3 || !strings.Contains(said, "s-4\tprefer\tfalse\n") {
		t.Errorf("after the runbook: %s", said)
	}
	load.stop()
	load.running.Wait()
	for _, host := range s.hosts {
		s.end(host)
		s.start(host, s.line("dkvmanager --tls=require", host, "")...)
	}
	if said := s.book(book); !strings.Contains(said, "Done: all managers and stores take TLS alone") {
		t.Errorf("the runbook at the end: %s", said)
	}
	s.checkLoad(load)
	s.checkClosed(nodes)
}

// checkBurnt sends a bearer token without TLS to one manager. No manager takes it any more.
func (s *switched) checkBurnt() {
	s.t.Helper()
	file := filepath.Join(s.dir, "ci.token")
	args := []string{"credential", "--data-dir", s.folder(s.hosts[0]), "--name", "ci", "--role", "viewer", "--token", "--out", file}
	if said, err := s.command("home", "dkvmanager", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, said)
	}
	use := []string{"-v", "--token-file", file, "-e", "get_store()"} // a row for each manager
	s.eventually("the token is known", func() (bool, string) { said, ok := s.run("stranger", "https://", use...); return ok, said })
	b, err := credentials.Load(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if status, said := s.plain(s.hosts[1], b.Token); status != http.StatusUnauthorized || !strings.Contains(said, "it is revoked") {
		s.t.Errorf("a token without TLS gets %d, %s", status, said)
	}
	s.eventually("the token is taken nowhere", func() (bool, string) {
		said, ok := s.run("stranger", "https://", use...)
		return !ok && strings.Count(said, "came without TLS once") >= len(s.hosts), said
	})
}

// checkLoad reads all acknowledged writes of a load back.
func (s *switched) checkLoad(load *storeLoad) {
	s.t.Helper()
	said := s.must("home", "", "-e", `for k, v in connect_store("S"):scan{prefix = "load/"} do print(k .. "=" .. v) end`)
	has := map[string]bool{}
	for _, line := range strings.Split(said, "\n") {
		has[line] = true
	}
	lost := 0
	for key, value := range load.acked {
		if !has[key+"="+value] {
			lost++
		}
	}
	s.t.Logf("%d acknowledged writes, %d lost, %d requests failed and were repeated; longest time without an acknowledged write: %v",
		len(load.acked), lost, load.failed, load.longest.Round(time.Millisecond))
	if lost > 0 || len(load.wrong) > 0 || len(load.acked) == 0 {
		s.t.Errorf("%d of %d acknowledged writes are lost; wrong: %v", lost, len(load.acked), load.wrong)
	}
}

// checkClosed tests that no port takes plain connections.
func (s *switched) checkClosed(nodes []wire.Node) {
	s.t.Helper()
	for _, host := range s.hosts {
		if status, said := s.plain(host, ""); status != http.StatusBadRequest || !strings.Contains(said, "it speaks TLS only") {
			s.t.Errorf("the manager on %s answers %d, %s", host, status, said)
		}
	}
	for _, n := range nodes {
		resp, err := http.Post("http://"+address(n)+"/v3/kv/range", "application/json", strings.NewReader(`{"key": "aw=="}`))
		if err != nil {
			s.t.Errorf("%s: %v", n.Name, err)
			continue
		}
		_ = resp.Body.Close()
		// A connection that the load has left open is refused by request, and closed within 2 s.
		if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusUnauthorized {
			s.t.Errorf("the client port of %s answers %s without TLS", n.Name, resp.Status)
		}
	}
}
