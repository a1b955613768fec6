package crash

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// change is the change of a store that a case makes.
type change struct {
	kind  string // create, add or remove
	store string
	// port is the first port of a block that no other case uses.
	port int
	host string // host of the added instance
}

// change returns a change of a store that no other case uses.
func (cl *cluster) change(kind string) change {
	return change{kind: kind, store: fmt.Sprintf("S%dx%d", cl.block, cl.cases), port: 20000 + 4*cl.cases, host: cl.managers[1].adv}
}

// script returns the runbook. It prepares the managers one after the other, so that there are points in between.
func (c change) script() string {
	switch c.kind {
	case "create":
		return fmt.Sprintf("new_store{%q, instance_prefix = %q, clustron_port = %d, client_port = %d, timeout_sec = 2}:check()", c.store, "p", c.port, c.port+2)
	case "add":
		return fmt.Sprintf("add_instance{%q, instance_name = %q, host = %q, timeout_sec = 2}:check()", c.store, "p-9", c.host)
	default:
		return fmt.Sprintf("remove_store{%q, confirm = %q, timeout_sec = 2}:check()", c.store, c.store)
	}
}

// patient returns the script with a longer timeout for each answer.
func patient(script string) string {
	return strings.Replace(script, "timeout_sec = 2", "timeout_sec = 10", 1)
}

// runner is one dkvrun process.
type runner struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// run starts a runner on a script.
func (cl *cluster) run(script string) *runner {
	cl.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r := &runner{cmd: exec.CommandContext(ctx, dkvrun, "-m", cl.list(), "-e", script), out: &output{}, done: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if err := r.cmd.Start(); err != nil {
		cancel()
		cl.t.Fatal(err)
	}
	go func() { _ = r.cmd.Wait(); cancel(); close(r.done) }()
	cl.t.Cleanup(func() { r.kill() })
	return r
}

// kill ends the runner by SIGKILL.
func (r *runner) kill() {
	_ = r.cmd.Process.Kill()
	<-r.done
}

// stop suspends the runner, and returns when all its threads are stopped.
func (r *runner) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGSTOP)
	threads := fmt.Sprintf("/proc/%d/task/*/stat", r.cmd.Process.Pid)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		still := true
		paths, _ := filepath.Glob(threads) // the pattern is valid
		for _, path := range paths {
			text, err := os.ReadFile(path)
			_, after, _ := strings.Cut(string(text), ") ") // PID (NAME) STATE …
			still = still && (err != nil || strings.HasPrefix(after, "T"))
		}
		if still {
			return
		}
	}
}

func (r *runner) wake() { _ = r.cmd.Process.Signal(syscall.SIGCONT) }

// status waits for the end of the runner and returns its exit status; -1 if a signal ended it.
func (r *runner) status() int {
	<-r.done
	return r.cmd.ProcessState.ExitCode()
}

// must runs a script, and fails the case unless it succeeds.
func (cl *cluster) must(script string) {
	cl.t.Helper()
	if r := cl.run(script); r.status() != 0 {
		cl.t.Fatalf("%s\nexit status %d:\n%s", script, r.status(), r.out)
	}
}

// begin creates the store, unless the change does that.
func (cl *cluster) begin(c change) {
	cl.t.Helper()
	if c.kind != "create" {
		first := c
		first.kind = "create"
		cl.must(first.script())
	}
}
