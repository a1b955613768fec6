package tests

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startSuite runs a suite whose test starts a store of three instances and does not end. It returns when the instances
// run.
func startSuite(t *testing.T, then string, flags ...string) *localRun {
	t.Helper()
	path := filepath.Join(t.TempDir(), "long_test.lua")
	text := fmt.Sprintf(`
describe("a cluster", function()
  after_each(function() print("cleaned up") end)
  it("is there", function()
    local cluster = local_cluster{servers = 3}
    new_store("OrdersStore", "orders"):check()
    start_store{"OrdersStore", parallel = true}:check()
    wait_ready("OrdersStore")
    %s
  end)
  it("is followed by another", function() end)
end)
`, then)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startLocal(t, append(append([]string{"test"}, flags...), path)...)
	if err := poll(30*time.Second, func() error {
		if n := len(r.processes(t)); n < 6 {
			return fmt.Errorf("%d processes run, want 3 managers and 3 instances", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSuite_RemovesAllAfterKill(t *testing.T) {
	t.Parallel()
	r := startSuite(t, `sleep(600)`)
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.finish(t)
	r.leavesNothing(t, 10*time.Second, nil)
	t.Logf("all gone within %s", time.Since(began))
}

// A runbook that a test runs with a separate cluster ends with the runner.
func TestSuite_EndsRunbooksAfterKill(t *testing.T) {
	t.Parallel()
	runbook := filepath.Join(t.TempDir(), "long.lua")
	text := `new_store("OrdersStore", "orders"):check() start_store{"OrdersStore", parallel = true}:check() sleep(600)`
	if err := os.WriteFile(runbook, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startSuite(t, fmt.Sprintf(`disconnect_managers() run_script{%q, flags = {"--local=3"}}`, runbook))
	if err := poll(30*time.Second, func() error {
		if n := len(r.processes(t)); n < 12 {
			return fmt.Errorf("%d processes run, want 6 of the suite and 6 of its runbook", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.finish(t)
	r.leavesNothing(t, 10*time.Second, nil)
}

func TestSuite_CleansUpAndReportsAfterInterrupt(t *testing.T) {
	t.Parallel()
	r := startSuite(t, `sleep(600)`)
	if err := r.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	out, status := r.finish(t)
	if status != 130 {
		t.Errorf("status %d: %s", status, r.stderr.String())
	}
	for _, want := range []string{"  interrupted\n", "    cleaned up\n", "not all tests were run: interrupted\n", "/dkvrun test --seed "} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	r.leavesNothing(t, 0, nil)
}

func TestSuite_HangingEndsAtTimeout(t *testing.T) {
	t.Parallel()
	r := startSuite(t, `local function forever() while true do end end forever()`, "--timeout", "8")
	out, status := r.finish(t)
	if status != 1 {
		t.Errorf("status %d: %s", status, r.stderr.String())
	}
	for _, want := range []string{"  not done after 8s\n", "long_test.lua:9: in function ", "start_store: 127.", "FAILED: 1 passed, 1 with errors"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	r.leavesNothing(t, 0, nil)
}

// manager returns the pid of one of the run's managers.
func (r *localRun) manager(t *testing.T) int {
	t.Helper()
	for pid, line := range commandLines(t) {
		if strings.Contains(line, "--data-dir\x00"+r.tmp) {
			return pid
		}
	}
	t.Fatal("no manager runs")
	return 0
}

// instancesReady returns an error until the logs of three instances of the run's cluster say that they are ready, which
// is after their start was answered.
func (r *localRun) instancesReady() error {
	ready := 0
	err := filepath.WalkDir(r.tmp, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "log" {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "\tINFO\tready") {
			ready++
		}
		return err
	})
	if err == nil && ready < 3 {
		err = fmt.Errorf("%d instances are ready", ready)
	}
	return err
}

func TestSuite_DyingManagerEndsTest(t *testing.T) {
	t.Parallel()
	r := startSuite(t, `sleep(600)`)
	if err := poll(30*time.Second, func() error { return r.instancesReady() }); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(r.manager(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	out, status := r.finish(t)
	if status != 1 || !strings.Contains(out, "  the manager on 127.") || !strings.Contains(out, "ended (signal: killed)") {
		t.Errorf("status %d:\n%s%s", status, out, r.stderr.String())
	}
	r.leavesNothing(t, 0, nil)
}

// With --watch a suite runs again when one of its files changes.
func TestSuite_WatchRunsAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("word.lua", `return {word = "one"}`)
	write("watched_test.lua", `it("knows the word", function() assert.are.equal("two", require("word").word) end)`)
	r := startLocal(t, "test", "--watch", folder)
	r.until(t, "FAILED: 0 passed, 1 failed")
	r.until(t, "rerun: ")
	write("word.lua", `return {word = "two", more = true}`)
	r.until(t, "PASSED: 1 passed")
	write("watched_test.lua", "")
	r.until(t, "NOTHING RUN")
	write("watched_test.lua", `it("is back", function() end) it("is two", function() end)`)
	r.until(t, "PASSED: 2 passed")
	if err := r.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if _, status := r.finish(t); status != 130 {
		t.Errorf("status %d: %s", status, r.stderr.String())
	}
}
