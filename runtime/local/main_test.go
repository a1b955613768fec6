package local

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	ossignal "os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/tests/programs"
)

// built is the path of the real manager. No other process has this executable.
var built string

// runnerVariable makes the test binary run as a runner with a cluster, for tests that kill the runner.
const runnerVariable = "LOCAL_TEST_RUNNER"

func TestMain(m *testing.M) {
	if keep, ok := os.LookupEnv(runnerVariable); ok {
		runner(os.Args[1], os.Args[2], keep)
	}
	if own := os.Getenv(clientVariable); own != "" {
		requestFrom(own, os.Args[1])
	}
	folder, err := os.MkdirTemp("", "local-test-")
	if err == nil {
		built = filepath.Join(folder, "dkvmanager")
		err = programs.Put(folder, "dkvmanager")
	}
	status := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		status = m.Run()
	}
	os.RemoveAll(folder)
	os.Exit(status)
}

// Values of runnerVariable, which otherwise names a folder to keep.
const (
	pausedRunner  = "paused"  // the runner pauses its first server
	securedRunner = "secured" // its cluster is secured
)

// runner starts a cluster of two managers, prints their endpoints, and waits to be killed. SIGUSR1 makes it cut off the
// first server.
func runner(manager, temp, keep string) {
	signals := make(chan os.Signal, 1)
	ossignal.Notify(signals, syscall.SIGUSR1)
	options := Options{Servers: 2, Manager: manager, TempDir: temp}
	switch keep {
	case pausedRunner:
	case securedRunner:
		options.Secured = true
	default:
		options.Keep = keep
	}
	c, err := Start(context.Background(), options)
	if err == nil && keep == pausedRunner {
		err = c.Pause(0)
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(c.Endpoints(), " "))
	for range signals {
		if err := c.Cut(0); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// start starts a cluster of real managers, which is closed when the test ends.
func start(t *testing.T, o Options) *Cluster {
	t.Helper()
	o.Manager = built
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	c, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// processes returns the ids of all processes of the real manager's executable whose command line contains a word.
func processes(t *testing.T, word string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if exe, _ := os.Readlink(filepath.Join("/proc", e.Name(), "exe")); exe != built {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if strings.Contains(string(line), word) {
			out = append(out, pid)
		}
	}
	return out
}

// poll calls ok until it returns true, and fails the test after the limit.
func poll(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	if until(context.Background(), limit, ok) != nil {
		t.Fatalf("not within %s: %s", limit, what)
	}
}

// gone checks that no process, folder or address of a cluster remains. Another run may take the addresses at once.
func gone(t *testing.T, limit time.Duration, temp string, endpoints []string) {
	t.Helper()
	poll(t, limit, "all processes have ended", func() bool { return len(processes(t, temp)) == 0 })
	poll(t, limit, "the addresses are free", func() bool {
		lock, err := takeBlock(endpoints)
		if err != nil {
			return !holds(t, endpoints[0])
		}
		lock.Close()
		return true
	})
	poll(t, limit, "the folders are deleted", func() bool {
		list, err := os.ReadDir(temp)
		return err == nil && len(list) == 0
	})
}

// holds reports whether this process has a socket that is bound to an address, as the lock of a block is.
func holds(t *testing.T, address string) bool {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		bound, err := syscall.Getsockname(fd)
		if at, is := bound.(*syscall.SockaddrInet4); err == nil && is &&
			netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String() == address {
			return true
		}
	}
	return false
}

// script writes a shell script that can run instead of the manager, and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dkvmanager")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
