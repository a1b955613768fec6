package fakemanager

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Secure makes the TLS configurations of the managers of a plan.
type Secure func(Plan) (func(manager int) *tls.Config, error)

// Main is the program that runs a group of a fleet's managers. It prints "ready" when all listen, and ends when its
// standard input closes, so that it can't outlive its parent. For managers with TLS it calls secure, which writes the
// plan's credential and returns the configuration of each manager.
func Main(args []string, stdin io.Reader, stdout io.Writer, secure Secure) error {
	flags := flag.NewFlagSet("managers", flag.ContinueOnError)
	var p group
	first := flags.Int("first", 0, "the first manager of the plan to run")
	last := flags.Int("last", 0, "the manager after the last to run")
	faults := flags.String("faults", "", "the plan's faults, with commas between")
	flags.IntVar(&p.plan.Count, "count", 0, "managers of the plan")
	flags.IntVar(&p.plan.Port, "port", 0, "the port of all")
	flags.StringVar(&p.plan.Credential, "credential", "", "speak TLS, and write a credential into this file")
	flags.DurationVar(&p.plan.Delay, "delay", 0, "what each waits before it answers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if p.plan.Faults, err = parseFaults(*faults); err != nil {
		return err
	}
	if p.plan.Credential != "" {
		if p.secure, err = secure(p.plan); err != nil {
			return err
		}
	}
	if err := p.listen(*first, *last); err != nil {
		return err
	}
	defer p.close()
	if _, err := fmt.Fprintln(stdout, "ready"); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// Fleet is a running fleet.
type Fleet struct {
	Plan
	processes []*process
}

type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	said  strings.Builder
	// listeners counts the managers that listen.
	listeners int
}

// Start runs a plan with the built program of tests/fakemanager, in as many processes as the limit of open files
// requires. It returns when all managers listen.
func Start(ctx context.Context, program string, plan Plan) (*Fleet, error) {
	if plan.Count < 1 || plan.Count > maxCount {
		return nil, fmt.Errorf("a fleet of %d managers: want 1 to %d", plan.Count, maxCount)
	}
	size, err := perProcess()
	if err != nil {
		return nil, err
	}
	if plan.Credential != "" && plan.Count > size {
		return nil, fmt.Errorf("%d managers with TLS: this machine allows %d in one process", plan.Count, size)
	}
	f := &Fleet{Plan: plan}
	for first := 0; first < plan.Count; first += size {
		if err := f.start(ctx, program, first, min(first+size, plan.Count)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// perProcess returns the number of managers that one process can run: each needs a listener and a connection.
func perProcess() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	return max(1, int(min(limit.Max, 1<<20))/2-100), nil
}

func (f *Fleet) start(ctx context.Context, program string, first, last int) error {
	p := &process{cmd: exec.CommandContext(ctx, program,
		"-count", strconv.Itoa(f.Count), "-first", strconv.Itoa(first), "-last", strconv.Itoa(last), "-port", strconv.Itoa(f.Port),
		"-delay", f.Delay.String(), "-faults", words(f.Faults), "-credential", f.Credential)}
	p.cmd.Stderr = &p.said
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.stdin = stdin
	for i := first; i < last; i++ {
		if f.Fault(i) != Refuse {
			p.listeners++
		}
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	f.processes = append(f.processes, p)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		return fmt.Errorf("the fake managers did not start: %w", err)
	}
	return nil
}

// Close ends the managers.
func (f *Fleet) Close() error {
	var errs []error
	for _, p := range f.processes {
		p.stdin.Close()
		if err := p.cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("fake managers: %w: %s", err, p.said.String()))
		}
	}
	return errors.Join(errs...)
}

// connections returns the number of open connections of the managers, including half-open ones whose client has
// vanished.
func (f *Fleet) connections() (int, error) {
	n := 0
	for _, p := range f.processes {
		sockets, err := sockets(p.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		n += sockets - p.listeners
	}
	return n, nil
}

func sockets(pid int) (int, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	list, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, file := range list {
		// A descriptor that was closed since the listing is no longer a socket.
		if target, err := os.Readlink(filepath.Join(dir, file.Name())); err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n, nil
}
