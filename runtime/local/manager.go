package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

// startTime is the time limit for managers to answer after their start.
const startTime = 15 * time.Second

// manager is one dkvmanager process.
type manager struct {
	endpoint string
	process  *os.Process
	log      *os.File
	meant    atomic.Bool   // the process was told to end
	done     chan struct{} // closed when the process has ended and err is set
	err      error
}

// spawn starts a manager. It gets a new process group, so that Ctrl-C on the terminal reaches only the runner. Its log
// has what it prints, unless cmd has a standard output. died, if not nil, is called when it ends without being told to.
func spawn(cmd *exec.Cmd, data, endpoint string, died func(error)) (*manager, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(data, "manager.log"), os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Dir = "/"
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		log.Close()
		return nil, fmt.Errorf("can't start the manager: %w", err)
	}
	m := &manager{endpoint: endpoint, process: cmd.Process, log: log, done: make(chan struct{})}
	go func() {
		m.err = cmd.Wait()
		if died != nil && !m.meant.Load() {
			died(fmt.Errorf("the manager on %s ended (%s)%s", m.endpoint, m.outcome(), m.logTail()))
		}
		close(m.done)
	}()
	return m, nil
}

// healthy returns when every manager answers, to a client with security, which is nil for plain managers. It returns an
// error when one ends first or the time limit passes.
func healthy(ctx context.Context, managers []*manager, security fanout.Security) error {
	endpoints := make([]string, len(managers))
	for i, m := range managers {
		endpoints[i] = m.endpoint
	}
	servers, err := fanout.ParseEndpoints(endpoints, wire.DefaultManagerPort)
	if err != nil {
		return err
	}
	client := fanout.New(fanout.Config{Security: security})
	defer client.Close()
	var ended, silent *manager
	err = until(ctx, startTime, func() bool {
		var requests []fanout.Request
		for i, m := range managers {
			select {
			case <-m.done:
				ended = m
				return true
			default:
			}
			requests = append(requests,
				fanout.Request{Endpoint: servers[i], Method: "GET", Path: wire.HealthPath(), Timeout: time.Second})
		}
		silent = nil
		for _, a := range client.Do(ctx, requests, fanout.Options{}) {
			if a.Status != 200 || a.Manager == "" {
				silent = managers[a.Index]
			}
		}
		return silent == nil
	})
	switch {
	case ended != nil:
		return ended.endedAtStart()
	case errors.Is(err, errLate):
		return fmt.Errorf("the manager on %s did not answer within %s%s", silent.endpoint, startTime, silent.logTail())
	}
	return err
}

func (m *manager) endedAtStart() error {
	return fmt.Errorf("the manager on %s ended at its start (%s)%s", m.endpoint, m.outcome(), m.logTail())
}

func (m *manager) outcome() string {
	if m.err == nil {
		return "exit status 0"
	}
	return m.err.Error()
}

// logTail returns the last three lines of the manager's log, as the end of an error message.
func (m *manager) logTail() string {
	size, err := m.log.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return "; its log is empty"
	}
	b := make([]byte, min(size, 4<<10))
	n, _ := m.log.ReadAt(b, size-int64(len(b)))
	lines := strings.Split(strings.TrimSpace(string(b[:n])), "\n")
	out := "; the last lines of its log:"
	for _, line := range lines[max(0, len(lines)-3):] {
		out += "\n    " + printable.Line(line)
	}
	return out
}

// end waits until the process has ended, and kills it at the limit.
func (m *manager) end(limit context.Context) error {
	defer m.log.Close()
	select {
	case <-m.done:
		return nil
	case <-limit.Done():
		return m.kill()
	}
}

// kill kills the process and the other processes of its group.
func (m *manager) kill() error {
	select {
	case <-m.done: // another process may have its number by now
		return nil
	default:
	}
	if err := syscall.Kill(-m.process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("can't kill the manager on %s (pid %d), which does not end: %w", m.endpoint, m.process.Pid, err)
	}
	<-m.done
	return nil
}
