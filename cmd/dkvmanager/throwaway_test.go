package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// runnersPatience is the time in which a throw-away cluster must have ended.
const runnersPatience = 10 * time.Second

// startThrowAway starts a manager with a running store. Both end when the returned pipe is closed.
func startThrowAway(t *testing.T, ip, dir string, more ...string) (*daemon, *os.File) {
	t.Helper()
	lifeline, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
	d := startWith(t, ip, dir, lifeline, append([]string{"--lifeline", "3"}, more...)...)
	_ = lifeline.Close()
	d.must("POST", wire.StoresPath(), orders(2, ip), "Created")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, "Started")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-2")+"/start", nil, "Started")
	d.ready("OrdersStore")
	return d, held
}

// gone waits until the processes have ended.
func gone(t *testing.T, pids map[string]int) {
	t.Helper()
	for name, pid := range pids {
		eventually(t, name+" is gone", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	}
}

func TestThrowAway_LeavesNothing(t *testing.T) {
	t.Parallel()
	ends := map[string]func(d *daemon, held *os.File){
		"end of the lifeline": func(_ *daemon, held *os.File) { _ = held.Close() },
		"SIGTERM":             func(d *daemon, _ *os.File) { _ = d.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGINT":              func(d *daemon, _ *os.File) { _ = d.cmd.Process.Signal(syscall.SIGINT) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			parent := filepath.Join(t.TempDir(), "cluster")
			d, held := startThrowAway(t, "127.23.5.11", filepath.Join(parent, "server-1"), "--ephemeral")
			pids := d.pids("OrdersStore")
			began := time.Now()
			end(d, held)
			if status := d.exit(); status != 0 {
				t.Errorf("exit status %d", status)
			}
			gone(t, pids)
			if took := time.Since(began); took > runnersPatience {
				t.Errorf("took %s", took)
			}
			if _, err := os.Stat(parent); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s stayed: %v", parent, err)
			}
		})
	}
}

func TestThrowAway_ManagerKilledFirst(t *testing.T) {
	t.Parallel()
	d, held := startThrowAway(t, "127.23.5.12", filepath.Join(t.TempDir(), "server-1"), "--ephemeral")
	pids := d.pids("OrdersStore")
	d.end(syscall.SIGKILL)
	_ = held.Close()
	gone(t, pids) // each of them holds the lifeline
}

func TestThrowAway_SparesItsNeighbours(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	neighbour := filepath.Join(parent, "server-2")
	if err := os.Mkdir(neighbour, 0o700); err != nil {
		t.Fatal(err)
	}
	d, held := startThrowAway(t, "127.23.5.13", filepath.Join(parent, "server-1"), "--ephemeral")
	_ = held.Close()
	d.exit()
	if _, err := os.Stat(neighbour); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s stayed: %v", d.dir, err)
	}
}

// A throw-away manager that can't make or join a cluster leaves nothing either.
func TestThrowAway_FailsToBecomeSecured(t *testing.T) {
	t.Parallel()
	_, token := madeAt(t, time.Now())
	for name, words := range map[string][]string{
		"init": {"init", "--cluster", "local", "--credential-out", t.TempDir()},
		"join": {"join", "127.23.5.16:7801", token.Text()},
	} {
		lifeline, held, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		parent := filepath.Join(t.TempDir(), "cluster")
		cmd := command(append(words, "--listen", "127.23.5.15:7801", "--data-dir", filepath.Join(parent, "server-1"),
			"--lifeline", "3", "--ephemeral")...)
		cmd.ExtraFiles = []*os.File{lifeline}
		said, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitError {
			t.Errorf("%s: %v, %s", name, err, said)
		}
		if _, err := os.Stat(parent); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %s stayed: %v", name, parent, err)
		}
		_, _ = lifeline.Close(), held.Close()
	}
}

// TestThrowAway_KeptClusterGoesOn checks that without --ephemeral the data stays, and that the instances run again
// after the next start.
func TestThrowAway_KeptClusterGoesOn(t *testing.T) {
	t.Parallel()
	const ip = "127.23.5.14"
	dir := filepath.Join(t.TempDir(), "server-1")
	d, held := startThrowAway(t, ip, dir)
	put(t, orders(2, ip).Nodes[0])
	pids := d.pids("OrdersStore")
	_ = held.Close()
	d.exit()
	gone(t, pids)

	d = startDaemon(t, ip, dir)
	d.ready("OrdersStore")
	get(t, orders(2, ip).Nodes[1])
}
