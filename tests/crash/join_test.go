package crash

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// joining is a cluster of one server that is being secured, and a second one that joins.
type joining struct {
	t    *testing.T
	root string
	ip   string // of the first; the second has the next one
}

// run runs a command of the manager, with a failpoint unless that is empty. It returns the output and whether the
// command was killed.
func (j *joining) run(failpoint string, args ...string) (out string, killed bool) {
	j.t.Helper()
	cmd := exec.Command(dkvmanager, args...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(j.root, "home"), "XDG_CONFIG_HOME=", "DKV_FAILPOINT="+failpoint)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		status, is := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !is || !status.Signaled() || status.Signal() != syscall.SIGKILL {
			j.t.Fatalf("dkvmanager %s: %v\n%s", strings.Join(args, " "), err, &stderr)
		}
		return stdout.String(), true
	}
	return stdout.String(), false
}

func (j *joining) init(failpoint string) (string, bool) {
	j.t.Helper()
	return j.run(failpoint, "init", "--cluster", "prod", "--listen", j.ip+":7801", "--data-dir", filepath.Join(j.root, "1"), "--no-serve")
}

func newJoining(t *testing.T, ip string) *joining {
	j := &joining{t, t.TempDir(), ip}
	if err := os.Mkdir(filepath.Join(j.root, "home"), 0o700); err != nil {
		t.Fatal(err)
	}
	return j
}

// serve starts the first server with a failpoint unless that is empty.
func (j *joining) serve(failpoint string) (stop func()) {
	j.t.Helper()
	cmd := exec.Command(dkvmanager, "--listen", j.ip+":7801", "--data-dir", filepath.Join(j.root, "1"))
	cmd.Env = append(os.Environ(), "DKV_FAILPOINT="+failpoint)
	var log lockedBuffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		j.t.Fatal(err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "msg=serving"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stop()
			j.t.Fatalf("the first server doesn't serve: %s", log.String())
		}
	}
	return stop
}

// members returns the number of members that the first server knows.
func (j *joining) members() int {
	j.t.Helper()
	status, _ := j.run("", "pki", "status", "--data-dir", filepath.Join(j.root, "1"))
	return strings.Count(status, "https://"+j.ip[:strings.LastIndex(j.ip, ".")])
}

// startsNot checks that the manager of a data folder, which is about to be secured, does not serve everybody.
func (j *joining) startsNot(n int, want string) {
	j.t.Helper()
	cmd := exec.Command(dkvmanager, "--insecure", "--listen", j.ip+":7899", "--data-dir", filepath.Join(j.root, fmt.Sprint(n)))
	if said, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(said), want) {
		j.t.Errorf("the manager of a folder that is about to be secured: %v, %s, want %q", err, said, want)
	}
}

// An init that is killed anywhere is completed when it is repeated: there is one authority, one credential, and a line.
func TestSecured_InitIsKilled(t *testing.T) {
	t.Parallel()
	for i, place := range []string{"init.files", "init.renamed", "init.credential"} {
		t.Run(place, func(t *testing.T) {
			j := newJoining(t, fmt.Sprintf("127.47.1.%d", 11+i))
			if _, killed := j.init(place + "=kill"); !killed {
				t.Fatalf("%s was not reached", place)
			}
			if place == "init.files" {
				j.startsNot(1, "run the line dkvmanager init … again")
			}
			authority := filepath.Join(j.root, "1", "pki", "authority.pem")
			before, _ := os.ReadFile(authority) // there is none yet, or it is the one that stays
			line, _ := j.init("")
			if fields := strings.Fields(line); len(fields) != 4 || fields[2] != j.ip+":7801" {
				t.Errorf("the line is %q", line)
			}
			after, err := os.ReadFile(authority)
			if err != nil || before != nil && !bytes.Equal(before, after) {
				t.Errorf("the authority has changed: %v", err)
			}
			if _, err := os.Stat(filepath.Join(j.root, "home", ".config", "dkvrun", "prod.pem")); err != nil {
				t.Error(err)
			}
			entries, err := os.ReadDir(filepath.Join(j.root, "1"))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Name() == "pki.new" {
					t.Error("the keys of the killed attempt are still there")
				}
			}
		})
	}
}

// A join that is killed anywhere, on either side, is completed when the same line is run again, although the token is
// for one server.
func TestSecured_JoinIsKilled(t *testing.T) {
	t.Parallel()
	for i, place := range []string{"join.key", "join.burnt", "join.files", "join.renamed"} {
		t.Run(place, func(t *testing.T) {
			j := newJoining(t, fmt.Sprintf("127.47.2.%d", 11+2*i))
			j.init("")
			line, _ := j.run("", "token", "--data-dir", filepath.Join(j.root, "1"))
			second := fmt.Sprintf("127.47.2.%d:7801", 12+2*i)
			args := append(strings.Fields(line)[1:], "--listen", second, "--data-dir", filepath.Join(j.root, "2"), "--no-serve")
			if place == "join.burnt" {
				stop := j.serve(place + "=kill")
				cmd := exec.Command(dkvmanager, args...)
				if said, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(said), "run the same line again") {
					t.Errorf("the server died: %v, %s", err, said)
				}
				stop()
				defer j.serve("")()
			} else {
				defer j.serve("")()
				if _, killed := j.run(place+"=kill", args...); !killed {
					t.Fatalf("%s was not reached", place)
				}
			}
			if place != "join.renamed" {
				j.startsNot(2, "run the line dkvmanager join … again")
				j.run("", args...)
			}
			status, _ := j.run("", "pki", "status", "--data-dir", filepath.Join(j.root, "2"))
			if !strings.HasPrefix(status, "cluster      prod\n") || strings.Contains(status, "excluded") {
				t.Errorf("the second server: %s", status)
			}
			if n := j.members(); n != 2 {
				t.Errorf("%d members", n)
			}
		})
	}
}

// An import of the authority that is killed is completed when it is repeated; until then the earlier server holds it.
func TestSecured_ImportIsKilled(t *testing.T) {
	t.Parallel()
	j := newJoining(t, "127.47.3.11")
	j.init("")
	dir := func(n int) string { return filepath.Join(j.root, fmt.Sprint(n)) }
	line, _ := j.run("", "token", "--data-dir", dir(1))
	stop := j.serve("")
	j.run("", append(strings.Fields(line)[1:], "--listen", "127.47.3.12:7801", "--data-dir", dir(2), "--no-serve")...)
	stop()
	passphrase, sealed := filepath.Join(j.root, "passphrase"), filepath.Join(j.root, "authority.age")
	if err := os.WriteFile(passphrase, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j.run("", "pki", "export", "--data-dir", dir(1), "--out", sealed, "--passphrase-file", passphrase)
	args := []string{"pki", "import", "--data-dir", dir(2), sealed, "--passphrase-file", passphrase}
	if _, killed := j.run("import.files=kill", args...); !killed {
		t.Fatal("import.files was not reached")
	}
	token := exec.Command(dkvmanager, "token", "--data-dir", dir(2))
	if said, err := token.CombinedOutput(); err == nil || !strings.Contains(string(said), "signs nothing") {
		t.Errorf("a token after an import that was killed: %v, %s", err, said)
	}
	j.run("", args...)
	j.run("", "token", "--data-dir", dir(2))
}

// lockedBuffer is a buffer that may be written and read at the same time.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
