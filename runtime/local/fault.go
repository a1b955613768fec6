package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// Faults of servers, which are counted from 0. Each method returns when the fault has taken effect.

// Kill ends a server like a power failure: its manager and instances are killed. Its data stays for Restart.
func (c *Cluster) Kill(i int) error { return c.kill(i, true) }

// KillManager kills the manager of a server and leaves its instances running.
func (c *Cluster) KillManager(i int) error { return c.kill(i, false) }

func (c *Cluster) kill(i int, instances bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.managers[i]
	m.meant.Store(true)
	if err := c.resume(i); err != nil { // otherwise the guard would outlive the server
		return err
	}
	if err := m.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-m.done
	if !instances {
		return nil
	}
	return c.killInstances(i)
}

// Restart ends the manager of a server if it runs, starts it again, and returns when it answers. The manager starts the
// instances that should run.
func (c *Cluster) Restart(ctx context.Context, i int) error {
	if err := c.KillManager(i); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.managers[i].log.Close()
	m, err := spawn(c.command(i), c.data(i), c.endpoints[i], c.died)
	if err != nil {
		return err
	}
	c.managers[i] = m
	if c.cut[i] {
		return listens(ctx, m)
	}
	return healthy(ctx, []*manager{m}, c.security())
}

// paused holds the stopped processes of a paused server.
type paused struct {
	pids  []int
	guard *exec.Cmd
}

// Pause stops all processes of a server until Resume: connections to it stay open but get no answers.
func (c *Cluster) Pause(i int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused[i] != nil {
		return nil
	}
	instances, err := c.instances(i)
	if err != nil {
		return err
	}
	p := &paused{pids: append([]int{c.managers[i].process.Pid}, instances...)}
	if p.guard, err = guard(c.reads, p.pids); err != nil {
		return err
	}
	c.paused[i] = p
	for _, pid := range p.pids {
		if err := signal(pid, syscall.SIGSTOP); err != nil {
			return err
		}
	}
	return until(context.Background(), exitTime, func() bool { return !slices.ContainsFunc(p.pids, runs) })
}

// runs reports whether any thread of a process is not stopped yet: the signal takes a moment to reach all of them.
func runs(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false
	}
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		_, state, found := bytes.Cut(stat, []byte(") "))
		if err == nil && found && !bytes.ContainsAny(state[:1], "TZX") { // stopped, or dead
			return true
		}
	}
	return false
}

// guard starts a process that resumes the stopped processes when the lifeline breaks. Otherwise they would not notice
// that the runner has ended, and remain.
func guard(lifeline *os.File, pids []int) (*exec.Cmd, error) {
	args := []string{"-c", `read -r _ <&3; kill -CONT "$@"`, "guard"}
	for _, pid := range pids {
		args = append(args, strconv.Itoa(pid))
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.ExtraFiles = []*os.File{lifeline}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, cmd.Start()
}

// Resume lets the processes of a paused server continue.
func (c *Cluster) Resume(i int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resume(i)
}

// resume does nothing to a server that isn't paused. The caller holds the lock.
func (c *Cluster) resume(i int) error {
	p := c.paused[i]
	if p == nil {
		return nil
	}
	delete(c.paused, i)
	var errs []error
	for _, pid := range slices.Backward(p.pids) { // instances first: otherwise their manager would get no answer from them
		errs = append(errs, signal(pid, syscall.SIGCONT))
	}
	errs = append(errs, p.guard.Process.Kill())
	p.guard.Wait() // the error only says that it was killed
	return errors.Join(errs...)
}

// signal sends a signal to a process. It does nothing when the process has ended.
func signal(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	return nil
}

// killInstances kills the instances of a server until none is left.
func (c *Cluster) killInstances(i int) error {
	var failed error
	late := until(context.Background(), exitTime, func() bool {
		var pids []int
		pids, failed = c.instances(i)
		for _, pid := range pids {
			failed = errors.Join(failed, signal(pid, syscall.SIGKILL))
		}
		return failed != nil || len(pids) == 0
	})
	return errors.Join(failed, late)
}

// killAll kills all servers: their data is deleted, so leaders need not be transferred. Managers are killed first,
// since they restart instances that die.
func (c *Cluster) killAll() error {
	var errs []error
	for _, m := range c.managers {
		errs = append(errs, m.kill())
	}
	for i := range c.managers {
		errs = append(errs, c.killInstances(i))
	}
	return errors.Join(errs...)
}

// instances returns the instance processes of a server: those with an argument that is a folder within the server's.
func (c *Cluster) instances(i int) ([]int, error) {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	folder := []byte(c.data(i) + string(filepath.Separator))
	var pids []int
	for _, path := range commands {
		command, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		for argument := range bytes.SplitSeq(command, []byte{0}) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && bytes.HasPrefix(argument, folder) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids, nil
}
