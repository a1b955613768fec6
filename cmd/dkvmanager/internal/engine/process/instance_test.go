package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// folderEnv makes the test binary run as the instance process of the folder that it names. With lifelineEnv, descriptor
// 3 is its lifeline.
const (
	folderEnv   = "DKV_TEST_INSTANCE"
	lifelineEnv = "DKV_TEST_LIFELINE"
)

func TestMain(m *testing.M) {
	folder := os.Getenv(folderEnv)
	if folder == "" {
		os.Exit(m.Run())
	}
	var lifeline *os.File
	if os.Getenv(lifelineEnv) != "" {
		lifeline = os.NewFile(3, "lifeline")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := Run(ctx, fake{}, folder, lifeline, nil, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// fake is an engine that hangs or fails at the stop if the instance is named so.
type fake struct{}

func (fake) Name() string { return "fake" }

func (fake) Dial(string, []string, *engine.Secure) (engine.MemberReader, error) {
	return nil, errors.New("nothing to dial")
}

func (fake) DialLocal(string) (engine.Membership, error) {
	return nil, errors.New("nothing to dial")
}

func (fake) Run(ctx context.Context, _ string, spec engine.Spec, report *engine.Report, log io.Writer) error {
	report.Set(engine.Condition{Ready: true, Leader: true, Bootstrapped: true})
	report.Gets.Add(7)
	report.Measure(func(context.Context) []engine.Gauge {
		return []engine.Gauge{{Category: "Storage", Name: "ItemsCount", Value: 3}}
	})
	fmt.Fprintln(log, "the fake engine is up")
	switch spec.Instance {
	case "panics":
		go func() { panic(fmt.Sprintf("no room for %d bytes", 17)) }()
	case "ends":
		report.End("the write-ahead log is cut: unexpected EOF")
		os.Exit(3)
	case "talks":
		for ctx.Err() == nil {
			fmt.Fprintln(log, "a line")
		}
	}
	<-ctx.Done()
	switch spec.Instance {
	case "hangs":
		select {}
	case "fails":
		return errors.New("the fake engine failed")
	}
	return nil
}

// instance is a running instance process.
type instance struct {
	t        *testing.T
	cmd      *exec.Cmd
	folder   string
	lifeline *os.File // the write end
	exited   chan error
	output   strings.Builder
}

// start starts an instance in folder, and kills it at the end of the test.
func start(t *testing.T, folder, name string) *instance {
	t.Helper()
	return startWithLog(t, folder, name, nil)
}

// startWithLog starts an instance with a file as its standard output and error; nil keeps them in output.
func startWithLog(t *testing.T, folder, name string, log *os.File) *instance {
	t.Helper()
	in := &instance{t: t, folder: folder, exited: make(chan error, 1)}
	spec, err := json.Marshal(engine.Spec{Store: "s", Instance: name, Operation: "op", Role: wire.Data})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, engine.SpecFile), spec, 0o600); err != nil {
		t.Fatal(err)
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	in.lifeline = ours
	in.cmd = exec.Command(os.Args[0])
	in.cmd.Env = append(os.Environ(), folderEnv+"="+folder, lifelineEnv+"=yes")
	in.cmd.ExtraFiles = []*os.File{theirs}
	in.cmd.Stderr = &in.output
	if log != nil {
		in.cmd.Stdout, in.cmd.Stderr = log, log
	}
	if err := in.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { in.exited <- in.cmd.Wait() }()
	t.Cleanup(func() {
		_ = in.cmd.Process.Kill()
		in.wait(10 * time.Second)
		_ = ours.Close()
	})
	return in
}

// wait waits for the end of the process, at most for limit, and returns its error.
func (in *instance) wait(limit time.Duration) error {
	in.t.Helper()
	select {
	case err := <-in.exited:
		in.exited <- err
		return err
	case <-time.After(limit):
		in.t.Fatalf("the process still runs after %v", limit)
		return nil
	}
}

// up waits until the instance answers on its socket that it is ready.
func (in *instance) up() (state engine.State) {
	in.t.Helper()
	storetest.Wait(in.t, 10*time.Second, func() (bool, string) {
		var err error
		state, err = Dial(in.folder).State(in.t.Context())
		return err == nil && state.Ready, fmt.Sprintf("the instance doesn't come up: %+v, %v", state, err)
	})
	return state
}

func (in *instance) terminate() {
	in.t.Helper()
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		in.t.Fatal(err)
	}
}
