package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

func kill(t *testing.T, pid int) {
	t.Helper()
	if pid <= 0 {
		t.Fatalf("no process to kill: pid %d", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestSupervisor_RestartsKilledInstance(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	storetest.Put(t, c.node("Orders", "orders-1"), "k", "v")
	before := c.servers[0].instance("Orders", "orders-1")
	kill(t, before.PID)
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		now := c.servers[0].instance("Orders", "orders-1")
		return now.Ready && now.PID != before.PID && now.Restarts == 1 && now.LastError == "the process ended: signal: killed",
			describe([]wire.Instance{now})
	})
	if lines := c.servers[0].logged("the process ended"); len(lines) != 1 ||
		!strings.Contains(lines[0], fmt.Sprintf(`pid=%d reason="signal: killed" ran=`, before.PID)) {
		t.Errorf("the log tells the death as %q", lines)
	}
	if v := storetest.Get(t, c.node("Orders", "orders-1"), "k"); v != "v" {
		t.Errorf("reads %q after the restart, want v", v)
	}
}

func TestSupervisor_AdoptsRunning(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	before := s.instance("Orders", "orders-1")
	s.close()
	if !alive(before.PID) {
		t.Fatal("the instance ended with its supervisor")
	}
	s.open()
	now := s.instance("Orders", "orders-1")
	if now.PID != before.PID || now.Status != wire.Running || !now.Ready || now.Restarts != 0 {
		t.Errorf("adopted as %s, want pid %d running", describe([]wire.Instance{now}), before.PID)
	}
	if changed, err := s.Start(context.Background(), "Orders", "orders-1"); changed || err != nil {
		t.Errorf("starting what runs: changed %v, error %v", changed, err)
	}

	// An adopted process is watched as well, and the number of restarts outlives the supervisor.
	kill(t, before.PID)
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		now := s.instance("Orders", "orders-1")
		return now.Ready && now.PID != before.PID && now.Restarts == 1 && strings.HasSuffix(now.LastError, exitUnknown),
			describe([]wire.Instance{now})
	})
	s.close()
	s.open()
	if now := s.instance("Orders", "orders-1"); now.Restarts != 1 {
		t.Errorf("after the next start of the supervisor: %s, want 1 restart", describe([]wire.Instance{now}))
	}
	// What an adopted process says itself is told in its words.
	pid := s.instance("Orders", "orders-1").PID
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		now := s.instance("Orders", "orders-1")
		return now.Ready && now.Restarts == 2 && now.LastError == "the process ended: stopped: terminated signal received",
			describe([]wire.Instance{now})
	})
}

func TestSupervisor_RestartsInstanceThatDiedMeanwhile(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	pid := s.instance("Orders", "orders-1").PID
	s.close()
	kill(t, pid)
	storetest.Wait(t, 5*time.Second, func() (bool, string) { return !alive(pid), "outlives SIGKILL" })
	s.open()
	c.waitAllReady("Orders", 10*time.Second)
	if now := s.instance("Orders", "orders-1"); now.Restarts != 1 {
		t.Errorf("%s, want 1 restart", describe([]wire.Instance{now}))
	}
	if lines := s.logged("the process ended while no manager was running"); len(lines) != 1 ||
		!strings.Contains(lines[0], fmt.Sprintf("pid=%d ", pid)) {
		t.Errorf("the log tells the death as %q", lines)
	}
	s.close()
	s.open()
	if lines := s.logged("the process ended while no manager was running"); len(lines) != 1 {
		t.Errorf("the log tells it again: %q", lines)
	}
}

// TestStart_NoFolder starts an instance that can't even be given its folder, which is answered at once.
func TestStart_NoFolder(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	if err := os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	block := filepath.Join(s.opts.Dir, "Orders")
	if err := os.WriteFile(block, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.Start(t.Context(), "Orders", "orders-1")
	if code(err) != wire.CodeStartFailed || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("start: %v, want start_failed with the reason", err)
	}
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	c.waitAllReady("Orders", 20*time.Second)
}

func TestStop_GracefulOrForced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	for _, force := range []bool{false, true} {
		c.start("Orders")
		c.waitAllReady("Orders", 10*time.Second)
		pid := s.instance("Orders", "orders-1").PID
		s.mustStop("Orders", "orders-1", force)
		if alive(pid) {
			t.Errorf("force %v: process %d is there after the stop", force, pid)
		}
		if now := s.instance("Orders", "orders-1"); now.Status != wire.Stopped || now.PID != 0 || now.LastError != "" {
			t.Errorf("force %v: %s", force, describe([]wire.Instance{now}))
		}
	}
	if changed, err := s.Stop(context.Background(), "Orders", "orders-1", false); changed || err != nil {
		t.Errorf("stopping what is stopped: changed %v, error %v", changed, err)
	}
	s.close()
	s.open()
	if now := s.instance("Orders", "orders-1"); now.Status != wire.Stopped {
		t.Errorf("%s after a restart of the manager, want Stopped", now.Status)
	}
}

func TestStop_ForceKillsHungInstance(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	pid := s.instance("Orders", "orders-1").PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := s.Stop(ctx, "Orders", "orders-1", false); err == nil || code(err) != wire.CodeStopFailed {
		t.Errorf("graceful stop of a hung instance: %v, want %s", err, wire.CodeStopFailed)
	}
	if now := s.instance("Orders", "orders-1"); now.Status != wire.Stopping {
		t.Errorf("status %s, want Stopping", now.Status)
	}
	s.mustStop("Orders", "orders-1", true)
}

func TestStop_AllLeavesTheCatalogAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 2))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	if err := s.StopAll(ctx); err != nil {
		t.Fatal(err)
	}
	for _, in := range c.instances("Orders") {
		if in.PID != 0 || in.Desired != wire.DesiredRunning {
			t.Errorf("%s: pid %d, desired %s; want none and Running", in.Name, in.PID, in.Desired)
		}
	}
	s.close()
	s.open()
	c.waitAllReady("Orders", 10*time.Second)
}

func TestSupervisor_InstancesInheritLifeline(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	keepWhileNeeded, ensureRunning, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keepWhileNeeded.Close()
	defer ensureRunning.Close()
	s.close()
	s.lifeline = keepWhileNeeded
	s.open()
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	pid := s.instance("Orders", "orders-1").PID
	s.close()
	ensureRunning.Close()
	storetest.Wait(t, 5*time.Second, func() (bool, string) { return !alive(pid), "runs on after the end of the lifeline" })
	s.lifeline = nil
	s.open()
}

func TestSupervisor_CrashLoop(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	// With a file in place of the data folder the engine ends at once.
	folder := s.folder(place{"Orders", "orders-1"})
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	block := filepath.Join(folder, dataDir("op-Orders"))
	if err := os.WriteFile(block, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// A start succeeds if the process is seen up before its engine has ended: then the next one is told.
	var err error
	for err == nil {
		_, err = s.Start(ctx, "Orders", "orders-1")
	}
	if code(err) != wire.CodeStartFailed || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("start: %v, want start_failed with the reason", err)
	}
	storetest.Wait(t, 30*time.Second, func() (bool, string) {
		now := s.instance("Orders", "orders-1")
		return now.Status == wire.CrashLooping && now.Restarts >= crashLoop-1, describe([]wire.Instance{now})
	})
	storetest.Wait(t, 5*time.Second, func() (bool, string) {
		started, ended := s.logged("msg=started"), s.logged("the process ended")
		return len(started) == len(ended), fmt.Sprintf("%d starts and %d ends in the log", len(started), len(ended))
	})
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	// An operator's start doesn't wait for the backoff.
	s.mustStart("Orders", "orders-1")
	c.waitAllReady("Orders", 5*time.Second)
}
