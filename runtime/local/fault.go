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

// What happens to servers, counted from 0. Each call returns when it has happened.

// Kill ends a server as the loss of its power would: the manager, and its instances, get no time to say
// goodbye. What is on its disk stays for Restart.
func (c *Cluster) Kill(i int) error { return c.kill(i, true) }

// KillManager ends the manager of a server in the same way, and leaves its instances running.
func (c *Cluster) KillManager(i int) error { return c.kill(i, false) }

func (c *Cluster) kill(i int, instances bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.managers[i]
	m.meant.Store(true)
	if err := c.resume(i); err != nil { // whose guard would outlive it
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

// Restart starts the manager of a server again, ending it first where it runs, and returns when it
// answers. It starts those instances again that should run.
func (c *Cluster) Restart(ctx context.Context, i int) error {
	if err := c.KillManager(i); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.managers[i].log.Close()
	m, err := c.spawn(i)
	if err != nil {
		return err
	}
	c.managers[i] = m
	if c.cut[i] {
		return listens(ctx, m)
	}
	return healthy(ctx, []*manager{m})
}

// paused is a server whose processes are stopped.
type paused struct {
	pids  []int
	guard *exec.Cmd
}

// Pause stops all processes of a server until Resume: connections to it stay open, and get no answer.
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

// runs tells whether a thread of a process isn't stopped: the signal takes a moment to reach them all.
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

// guard starts a process that lets the others go on when the lifeline breaks: stopped ones would not
// notice that the runner is gone, and stay.
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

// Resume lets a paused server go on.
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
	for _, pid := range slices.Backward(p.pids) { // the instances first: their manager would find them silent
		errs = append(errs, signal(pid, syscall.SIGCONT))
	}
	errs = append(errs, p.guard.Process.Kill())
	p.guard.Wait() // its status says that it was killed
	return errors.Join(errs...)
}

// signal is without effect when the process has ended.
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

// killAll kills all servers: what is deleted needs no time to hand its leaders over. The managers go first,
// since they start again what dies.
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

// instances are the instance processes of a server: those that name a folder within the server's as
// an argument.
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
