package tests

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// localRun is a run of dkvrun with --local. The test looks for processes that are left: all that --local starts have
// the run's temporary folder on their command lines.
type localRun struct {
	*exec.Cmd
	tmp    string
	stdout *bufio.Reader
	stderr bytes.Buffer
}

func startLocal(t *testing.T, args ...string) *localRun {
	t.Helper()
	r := &localRun{Cmd: exec.Command(program("dkvrun"), args...), tmp: t.TempDir()}
	r.Env = append(os.Environ(), "TMPDIR="+r.tmp)
	r.Cmd.Stderr = &r.stderr
	pipe, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdout = bufio.NewReader(pipe)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Process.Kill() })
	return r
}

// until reads standard output up to a line that contains text.
func (r *localRun) until(t *testing.T, text string) {
	t.Helper()
	for {
		line, err := r.stdout.ReadString('\n')
		if strings.Contains(line, text) {
			return
		}
		if err != nil {
			t.Fatalf("no line with %q came: %v\n%s", text, err, r.stderr.String())
		}
	}
}

// finish reads the rest of standard output and returns it with the exit status.
func (r *localRun) finish(t *testing.T) (string, int) {
	t.Helper()
	out, err := io.ReadAll(r.stdout)
	if err != nil {
		t.Fatal(err)
	}
	r.Wait()
	return string(out), r.ProcessState.ExitCode()
}

// commandLines returns the command lines of all processes of the machine, by pid.
func commandLines(t *testing.T) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")); err == nil {
			out[pid] = string(line)
		}
	}
	return out
}

// processes returns the command lines that contain the run's folder.
func (r *localRun) processes(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, line := range commandLines(t) {
		if strings.Contains(line, r.tmp) {
			out = append(out, strings.ReplaceAll(line, "\x00", " "))
		}
	}
	return out
}

// leavesNothing waits until no process, folder or used port of the run is left.
func (r *localRun) leavesNothing(t *testing.T, within time.Duration, ports []string) {
	t.Helper()
	err := poll(within, func() error {
		if left := r.processes(t); len(left) > 0 {
			return fmt.Errorf("processes are left: %s", strings.Join(left, "; "))
		}
		entries, err := os.ReadDir(r.tmp)
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			return fmt.Errorf("left in the temporary folder: %v", entries)
		}
		for _, port := range ports {
			l, err := net.Listen("tcp", port)
			if err != nil {
				return err
			}
			l.Close()
		}
		return nil
	})
	if err != nil {
		t.Errorf("%v\n%s", err, r.stderr.String())
	}
}

// running is a script that starts a store of three instances, prints their ports, and waits.
const running = `
new_store("OrdersStore", "orders"):check()
start_store{"OrdersStore", parallel = true}:check()
wait_ready("OrdersStore")
for _, node in ipairs(store_status("OrdersStore").instances) do
  print("port " .. node.host .. ":" .. node.client_port)
  print("port " .. node.host .. ":" .. node.clustron_port)
end
print("running")
`

// ports reads the ports that the script running prints.
func (r *localRun) ports(t *testing.T) []string {
	t.Helper()
	var out []string
	for {
		line, err := r.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("the store never ran: %v\n%s", err, r.stderr.String())
		}
		if port, ok := strings.CutPrefix(line, "port "); ok {
			out = append(out, strings.TrimSpace(port))
		}
		if line == "running\n" {
			if len(out) != 6 {
				t.Fatalf("got ports %v", out)
			}
			return out
		}
	}
}

func TestDemo_Runs(t *testing.T) {
	t.Parallel()
	r := startLocal(t, "--local=3", "../scripts/demo.lua")
	out, status := r.finish(t)
	if status != 0 {
		t.Fatalf("status %d\n%s\n%s", status, out, r.stderr.String())
	}
	for _, want := range []string{"order/3\titem 3", "AddInstance", "Joined as gateway", "RemoveStore", "Done: 0 stores left"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not show %q:\n%s", want, out)
		}
	}
	if !strings.Contains(r.stderr.String(), "throw-away cluster: 3 managers on 127.") {
		t.Errorf("the throw-away cluster is not announced: %s", r.stderr.String())
	}
	r.leavesNothing(t, 0, nil)
}

func TestLocal_RemovesAllAfterError(t *testing.T) {
	t.Parallel()
	r := startLocal(t, "--local=3", "-e", running+`error("in the middle")`)
	ports := r.ports(t)
	if _, status := r.finish(t); status != 1 || !strings.Contains(r.stderr.String(), "in the middle") {
		t.Errorf("status %d: %s", status, r.stderr.String())
	}
	r.leavesNothing(t, 0, ports)
}

func TestLocal_RemovesAllAfterInterrupt(t *testing.T) {
	t.Parallel()
	r := startLocal(t, "--local=3", "-e", running+`sleep(600)`)
	ports := r.ports(t)
	if err := r.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if _, status := r.finish(t); status != 130 || !strings.Contains(r.stderr.String(), "interrupted at -e:10") {
		t.Errorf("status %d: %s", status, r.stderr.String())
	}
	r.leavesNothing(t, 10*time.Second, ports)
}

func TestLocal_RemovesAllAfterInterruptedStart(t *testing.T) {
	t.Parallel()
	r := startLocal(t, "--local=3", "-e", `print("up") new_store("OrdersStore", "orders") start_store("OrdersStore") wait_ready("OrdersStore")`)
	r.until(t, "StartInstance")
	if err := r.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if _, status := r.finish(t); status != 130 {
		t.Errorf("status %d: %s", status, r.stderr.String())
	}
	r.leavesNothing(t, 10*time.Second, nil)
}

func TestLocal_RemovesAllAfterKill(t *testing.T) {
	t.Parallel()
	r := startLocal(t, "--local=3", "-e", running+`sleep(600)`)
	ports := r.ports(t)
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, status := r.finish(t); status != -1 {
		t.Errorf("status %d: %s", status, r.stderr.String())
	}
	r.leavesNothing(t, 10*time.Second, ports)
}

func TestLocal_RunsSideBySide(t *testing.T) {
	t.Parallel()
	one := startLocal(t, "--local=3", "-e", running+`sleep(600)`)
	other := startLocal(t, "--local=3", "-e", running)
	mine := one.ports(t)
	for _, port := range other.ports(t) {
		for _, taken := range mine {
			if port == taken {
				t.Errorf("both runs have %s", port)
			}
		}
	}
	if _, status := other.finish(t); status != 0 {
		t.Errorf("status %d: %s", status, other.stderr.String())
	}
	if err := one.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	one.finish(t)
	one.leavesNothing(t, 10*time.Second, nil)
	other.leavesNothing(t, 0, nil)
}

func TestLocal_KeptClusterStartsAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "kept")
	first := startLocal(t, "--local=3", "--keep", dir, "-e", running+`connect_store("OrdersStore"):put("who", "kept")`)
	first.ports(t)
	if _, status := first.finish(t); status != 0 {
		t.Fatalf("status %d: %s", status, first.stderr.String())
	}
	first.leavesNothing(t, 0, nil)
	second := startLocal(t, "--local=3", "--keep", dir, "-e", `wait_ready("OrdersStore") return connect_store("OrdersStore"):get("who")`)
	out, status := second.finish(t)
	if status != 0 || !strings.HasSuffix(out, "kept\n") {
		t.Errorf("status %d: %s%s", status, out, second.stderr.String())
	}
	second.leavesNothing(t, 0, nil)
}
