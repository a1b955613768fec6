package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

func TestProcess_StateAndMetrics(t *testing.T) {
	t.Parallel()
	in := start(t, t.TempDir(), "t-1")
	state := in.up()
	if time.Since(state.StartedAt) > time.Minute {
		t.Errorf("started at %v", state.StartedAt)
	}
	state.StartedAt = time.Time{}
	want := engine.State{PID: in.cmd.Process.Pid, Store: "s", Instance: "t-1", Operation: "op", Role: wire.Data,
		Ready: true, Leader: true, Bootstrapped: true, Build: wire.Build()}
	if state != want {
		t.Errorf("state %+v, want %+v", state, want)
	}

	client := Dial(in.folder)
	metrics, err := client.Metrics(t.Context(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range metrics {
		got = append(got, fmt.Sprintf("%s %s %s/%s %v %t", m.Store, m.Instance, m.Category, m.Name, m.Total, m.Rate != nil))
	}
	text := strings.Join(got, "\n")
	if text != "s t-1 Requests/Get 7 true\ns t-1 Requests/Put 0 true\ns t-1 Requests/Remove 0 true\ns t-1 Storage/ItemsCount 3 false" {
		t.Errorf("metrics:\n%s", text)
	}
	for _, window := range []time.Duration{0, time.Second / 2, 61 * time.Second} {
		if _, err := client.Metrics(t.Context(), window); err == nil || !strings.Contains(err.Error(), "want a number from 1 to 60") {
			t.Errorf("window %v: %v", window, err)
		}
	}
}

func TestProcess_OnePerFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	wantHolder(t, folder, 0)
	first := start(t, folder, "t-1")
	first.up()
	wantHolder(t, folder, first.cmd.Process.Pid)

	second := start(t, folder, "t-1")
	if err := second.wait(5 * time.Second); err == nil {
		t.Error("a second process ended well")
	}
	want := fmt.Sprintf("in use by process %d", first.cmd.Process.Pid)
	if got := second.output.String(); !strings.Contains(got, want) {
		t.Errorf("the second process says %q, want %q", got, want)
	}
	if state := first.up(); state.PID != first.cmd.Process.Pid {
		t.Errorf("the first process's socket is answered by %d", state.PID)
	}

	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.wait(5 * time.Second)
	wantHolder(t, folder, 0)
	// The killed process left its socket behind.
	start(t, folder, "t-1").up()
}

func wantHolder(t *testing.T, folder string, want int) {
	t.Helper()
	if got, err := Holder(folder); err != nil || got != want {
		t.Errorf("holder %d, %v, want %d", got, err, want)
	}
}

func TestProcess_GracefulStop(t *testing.T) {
	t.Parallel()
	in := start(t, t.TempDir(), "t-1")
	in.up()
	in.terminate()
	if err := in.wait(5 * time.Second); err != nil {
		t.Errorf("graceful stop: %v", err)
	}
	if got := in.output.String(); got != "the fake engine is up\n" {
		t.Errorf("output %q", got)
	}
	if _, err := Dial(in.folder).State(t.Context()); err == nil {
		t.Error("the socket of a stopped instance answers")
	}
}

func TestProcess_EngineFailure(t *testing.T) {
	t.Parallel()
	in := start(t, t.TempDir(), "fails")
	in.up()
	in.terminate()
	if err := in.wait(5 * time.Second); err == nil || !strings.Contains(in.output.String(), "the fake engine failed") {
		t.Errorf("%v, output %q", err, in.output.String())
	}
}

func TestProcess_LifelineEnds(t *testing.T) {
	t.Parallel()
	in := start(t, t.TempDir(), "t-1")
	in.up()
	_ = in.lifeline.Close()
	if err := in.wait(5 * time.Second); err != nil {
		t.Errorf("stop at the lifeline's end: %v", err)
	}
}

func TestProcess_HangingStopIsKilled(t *testing.T) {
	t.Parallel()
	orphan, stopped := start(t, t.TempDir(), "hangs"), start(t, t.TempDir(), "hangs")
	orphan.up()
	stopped.up()
	begin := time.Now()
	stopped.terminate()
	_ = orphan.lifeline.Close()
	for _, c := range []struct {
		in    *instance
		limit time.Duration
	}{{orphan, orphanLimit}, {stopped, stopLimit}} {
		err := c.in.wait(c.limit + 2*time.Second)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("ended with %v, want SIGKILL", err)
		}
		if want := fmt.Sprintf("the stop has taken %v", c.limit); !strings.Contains(c.in.output.String(), want) {
			t.Errorf("output %q, want %q", c.in.output.String(), want)
		}
		if took := time.Since(begin); took < c.limit {
			t.Errorf("killed after %v, want %v", took, c.limit)
		}
	}
}

func TestProcess_DeepFolder(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), strings.Repeat("deep/", 40))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, folder, "t-1").up()
}

func TestProcess_BadFolders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spec string // empty for no file
		want string
	}{
		"no spec":  {"", "spec.json: no such file"},
		"bad spec": {"{", "spec.json in"},
	} {
		folder := t.TempDir()
		if c.spec != "" {
			if err := os.WriteFile(filepath.Join(folder, engine.SpecFile), []byte(c.spec), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), folderEnv+"="+folder)
		output, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(output), c.want) {
			t.Errorf("%s: %v, output %q, want %q", name, err, output, c.want)
		}
	}
}
