package local

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLocal_Describe(t *testing.T) {
	for _, test := range []struct {
		endpoints []string
		keep      string
		want      string
	}{
		{[]string{"127.3.0.11:7801", "127.3.0.12:7801", "127.3.0.13:7801"}, "", "throw-away cluster: 3 managers on 127.3.0.11–13, deleted at exit"},
		{[]string{"127.4.0.11:7801"}, "", "throw-away cluster: 1 manager on 127.4.0.11, deleted at exit"},
		{[]string{"127.0.0.1:17801", "127.0.0.1:17802"}, "", "throw-away cluster: 2 managers on 127.0.0.1:17801–17802, deleted at exit"},
		{[]string{"127.3.0.11:7801", "127.3.0.12:7801"}, "lab", "cluster of 2 managers on 127.3.0.11–12, kept in lab"},
	} {
		if got := (&Cluster{endpoints: test.endpoints, keep: test.keep}).Describe(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestLocal_ServersOutOfRange(t *testing.T) {
	t.Parallel()
	for _, n := range []int{-1, 0, 33} {
		if _, err := Start(context.Background(), Options{Servers: n, Manager: built}); err == nil ||
			!strings.Contains(err.Error(), "1 to 32") {
			t.Errorf("%d servers: %v", n, err)
		}
	}
}

func TestLocal_ManagerExitsAtStart(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	_, err := Start(context.Background(), Options{Servers: 2, TempDir: temp, Manager: script(t, "echo the disk is full >&2; exit 3")})
	if err == nil ||
		!strings.Contains(err.Error(), "ended at its start (exit status 3); the last lines of its log:\n    the disk is full") {
		t.Errorf("got %v", err)
	}
	if list, _ := os.ReadDir(temp); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}

func TestLocal_ManagerCannotRun(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	_, err := Start(context.Background(), Options{Servers: 1, TempDir: temp, Manager: "/nowhere/dkvmanager"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if list, _ := os.ReadDir(temp); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}

func TestLocal_StartIsCancelled(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Start(ctx, Options{Servers: 2, TempDir: temp, Manager: script(t, "exec cat <&3")}) // silent until the lifeline ends
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 8*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if list, _ := os.ReadDir(temp); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}

// A manager that does not exit is killed with the processes of its group: at once if its data is deleted, otherwise
// after a grace period.
func TestLocal_StubbornManagerIsKilled(t *testing.T) {
	for _, keep := range []string{"", filepath.Join(t.TempDir(), "kept")} {
		t.Run("kept in "+keep, func(t *testing.T) {
			t.Parallel()
			testStubborn(t, keep)
		})
	}
}

func testStubborn(t *testing.T, keep string) {
	temp := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Start(ctx, Options{Servers: 2, TempDir: temp, Keep: keep, Manager: script(t, "sleep 600 & wait")})
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "still running") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(began); keep != "" && d < exitTime || keep == "" && d > exitTime {
		t.Errorf("took %s", d)
	}
}

func TestLocal_CloseRemovesEverything(t *testing.T) {
	temp := t.TempDir()
	c := start(t, Options{Servers: 3, TempDir: temp})
	if n := len(c.Endpoints()); n != 3 {
		t.Fatalf("%d endpoints", n)
	}
	for _, m := range c.managers {
		if group, err := syscall.Getpgid(m.process.Pid); err != nil || group != m.process.Pid {
			t.Errorf("the manager %d is in process group %d, so Ctrl-C would reach it (%v)", m.process.Pid, group, err)
		}
	}
	runStore(t, c.Endpoints(), 1)
	if n := len(processes(t, "instance")); n != 3 {
		t.Errorf("%d instances", n)
	}
	began := time.Now()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed within %s", time.Since(began))
	gone(t, time.Second, temp, c.Endpoints())
	if err := c.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestLocal_ConcurrentClusters(t *testing.T) {
	t.Parallel()
	a, b := start(t, Options{Servers: 1}), start(t, Options{Servers: 1})
	if a.Endpoints()[0] == b.Endpoints()[0] {
		t.Errorf("both on %s", a.Endpoints()[0])
	}
}

// Close ends the instances of a manager that was killed.
func TestLocal_ManagerKilled(t *testing.T) {
	temp := t.TempDir()
	c := start(t, Options{Servers: 1, TempDir: temp})
	runStore(t, c.Endpoints(), 1)
	kill(t, c.managers[0].process.Pid)
	<-c.managers[0].done
	if n := len(processes(t, "instance")); n != 1 {
		t.Errorf("%d instances live without their manager, want 1", n)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	gone(t, time.Second, temp, c.Endpoints())
}

func TestLocal_RunnerKilled(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd, endpoints := startRunner(t, temp, "")
	runStore(t, endpoints, 2)
	if n := len(processes(t, temp)); n != 6 {
		t.Errorf("%d processes, want 2 managers and 4 instances", n)
	}
	kill(t, cmd.Process.Pid)
	began := time.Now()
	gone(t, 10*time.Second, temp, endpoints)
	t.Logf("all gone within %s", time.Since(began))
}

// startRunner starts a runner as a separate process, and returns its endpoints.
func startRunner(t *testing.T, temp, keep string) (*exec.Cmd, []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], built, temp)
	cmd.Env = append(os.Environ(), runnerVariable+"="+keep)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line := make([]byte, 4096)
	n, err := out.Read(line)
	if err != nil || strings.HasPrefix(string(line), "error:") {
		t.Fatalf("the runner printed %q, %v", line[:n], err)
	}
	return cmd, strings.Fields(string(line[:n]))
}

func TestLocal_Keep(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "lab")
	c := start(t, Options{Servers: 2, Keep: folder})
	s := runStore(t, c.Endpoints(), 1)
	if err := s.put("orders", "kept"); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(context.Background(), Options{Servers: 2, Manager: built, Keep: folder}); err == nil ||
		!strings.Contains(err.Error(), "another run uses the cluster kept in") {
		t.Errorf("a second run: %v", err)
	}
	endpoints := c.Endpoints()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(processes(t, folder)); n != 0 {
		t.Errorf("%d processes after the end", n)
	}
	if _, err := Start(context.Background(), Options{Servers: 3, Manager: built, Keep: folder}); err == nil ||
		!strings.Contains(err.Error(), "keeps a cluster of 2 servers, not 3: use --local=2") {
		t.Errorf("another number of servers: %v", err)
	}

	// A run that is killed leaves the data, and the next run waits until its processes have ended.
	cmd, again := startRunner(t, "", folder)
	kill(t, cmd.Process.Pid)
	cmd.Wait()
	c = start(t, Options{Servers: 2, Keep: folder})
	for i, e := range c.Endpoints() {
		if e != endpoints[i] || e != again[i] {
			t.Errorf("endpoint %s was %s", e, endpoints[i])
		}
	}
	poll(t, 20*time.Second, "the store has the data written before", func() bool { return s.get("orders") == "kept" })
}

func TestLocal_KeepRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ file, content, want string }{
		{"thesis.txt", "", "holds thesis.txt but no cluster.json: give a new or empty folder"},
		{"cluster.json", "{", "is damaged"},
		{"cluster.json", `{"format": 3, "endpoints": ["127.3.0.11:7801"]}`, "has format 3"},
		{"cluster.json", `{"format": 2, "endpoints": ["127.3.0.11:7801"]}`, "is damaged"},
		{"cluster.json", `{"format": 1, "endpoints": ["127.3.0.11:7801"], "secured": "made"}`, "is damaged"},
		{"cluster.json", `{"format": 2, "endpoints": ["127.3.0.11:7801"], "secured": "made"}`, "keeps a secured cluster: add --secured"},
		{"cluster.json", `{"format": 1}`, "names no endpoint"},
		{"cluster.json", `{"format": 1, "endpoints": ["10.0.0.11:7801"]}`, "not an address and port of this machine alone"},
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, test.file), []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Start(context.Background(), Options{Servers: 1, Manager: built, Keep: folder})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: %v", test.file, test.content, err)
		}
		if list, _ := os.ReadDir(folder); len(list) != 1 {
			t.Errorf("%s %s: the folder was written to: %v", test.file, test.content, list)
		}
	}
}
