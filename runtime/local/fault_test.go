package local

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// answers reports whether a manager answers within a second.
func answers(endpoint string) bool {
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + endpoint + wire.HealthPath())
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == 200
}

func TestLocal_KillAndRestart(t *testing.T) {
	t.Parallel()
	died := make(chan error, 3)
	c := start(t, Options{Servers: 3, Died: func(err error) { died <- err }})
	s := runStore(t, c.Endpoints(), 1)
	if err := c.Kill(1); err != nil {
		t.Fatal(err)
	}
	if answers(c.Endpoints()[1]) || len(processes(t, c.data(1))) != 0 {
		t.Error("the killed server still answers or has processes")
	}
	poll(t, 20*time.Second, "two of three servers take a write", func() bool { return s.put("orders", "without one") == nil })
	if err := c.Restart(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	if !answers(c.Endpoints()[1]) {
		t.Error("the restarted server does not answer")
	}
	poll(t, 20*time.Second, "its instance runs again", func() bool { return len(processes(t, c.data(1))) == 2 })
	if err := c.KillManager(1); err != nil {
		t.Fatal(err)
	}
	if n := len(processes(t, c.data(1))); n != 1 {
		t.Errorf("%d processes run without their manager, want 1, the instance", n)
	}
	select {
	case err := <-died:
		t.Errorf("an end that was requested is reported as a failure: %v", err)
	default:
	}
}

func TestLocal_Pause(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Servers: 2})
	if err := c.Pause(0); err != nil {
		t.Fatal(err)
	}
	if answers(c.Endpoints()[0]) || !answers(c.Endpoints()[1]) {
		t.Error("the paused server answers, or the other one doesn't")
	}
	if err := c.Resume(0); err != nil {
		t.Fatal(err)
	}
	if !answers(c.Endpoints()[0]) {
		t.Error("the server doesn't answer after its pause")
	}
	if err := c.Pause(0); err != nil { // Close resumes it
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > exitTime {
		t.Errorf("with a paused server Close took %s", took)
	}
}

// The processes of a paused server end when the runner is killed.
func TestLocal_RunnerKilledDuringAPause(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd, endpoints := startRunner(t, temp, pausedRunner)
	if answers(endpoints[0]) {
		t.Fatal("the server is not paused")
	}
	kill(t, cmd.Process.Pid)
	gone(t, 10*time.Second, temp, endpoints)
}

func TestLocal_UnexpectedEndIsReported(t *testing.T) {
	t.Parallel()
	died := make(chan error, 1)
	c := start(t, Options{Servers: 1, Died: func(err error) { died <- err }})
	if err := syscall.Kill(c.managers[0].process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-died:
		if !strings.HasPrefix(err.Error(), "the manager on "+c.Endpoints()[0]+" ended (signal: killed)") {
			t.Errorf("reported: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the end of the manager was not reported")
	}
}
