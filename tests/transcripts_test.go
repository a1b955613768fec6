package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	fakes "dkvrun/runtime/fakemanager"
)

// blocks counts the loopback networks in use: each transcript has separate servers.
var blocks atomic.Int32

// TestTranscripts_Run runs the transcripts of command lines. In a transcript, $H1 to $H6 are hosts that no other
// transcript uses. `managers HOST…` starts a manager on each host; `managers -stop HOST` and `-kill HOST` end one.
// `exits STATUS COMMAND…` runs a command that has to exit with the status. `fleet PORT COUNT FAULT…` starts fake
// managers, the first ones with these faults, and lists them in fleet.list; with -secured FILE they speak TLS, and FILE
// gets the credential of their admin. `proxy` and `diverge` are in
// proxy_test.go.
func TestTranscripts_Run(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Abs("../scripts")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "transcripts",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			block := blocks.Add(1)
			for i := 1; i <= 6; i++ {
				env.Setenv(fmt.Sprintf("H%d", i), fmt.Sprintf("127.40.%d.%d", block, 10+i))
			}
			env.Setenv("PATH", filepath.Dir(program("dkvrun"))+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("SCRIPTS", scripts)
			env.Setenv("TMPDIR", env.WorkDir)
			env.Setenv("NO_COLOR", "1")
			f := &fleet{dir: filepath.Join(env.WorkDir, ".managers")}
			env.Values[fleetKey{}], env.Values[proxiesKey{}] = f, map[string]*proxy{}
			env.Defer(f.close)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"managers": managersCommand,
			"exits":    exitsCommand,
			"fleet":    fleetCommand,
			"proxy":    proxyCommand,
			"diverge":  divergeCommand,
		},
	})
}

type fleetKey struct{}

func managersCommand(ts *testscript.TestScript, neg bool, args []string) {
	f := ts.Value(fleetKey{}).(*fleet)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: managers [-stop|-kill] HOST…")
	}
	var err error
	switch args[0] {
	case "-kill":
		err = f.kill(args[1:])
	case "-stop":
		err = f.stop(args[1:])
	default:
		err = f.start(args)
	}
	ts.Check(err)
	ts.Logf("managers %s", strings.Join(args, " "))
}

func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with status %d, want %d", args[1], got, want)
	}
}

func fleetCommand(ts *testscript.TestScript, neg bool, args []string) {
	credential := ""
	if len(args) > 1 && args[0] == "-secured" {
		credential, args = ts.MkAbs(args[1]), args[2:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fleet [-secured FILE] PORT COUNT FAULT…")
	}
	port, err := strconv.Atoi(args[0])
	ts.Check(err)
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	plan := fakes.Plan{Count: count, Port: port, Credential: credential}
	for _, fault := range args[2:] {
		plan.Faults = append(plan.Faults, fakes.Fault(fault))
	}
	f, err := fakes.Start(context.Background(), program("fakemanager"), plan)
	ts.Check(err)
	ts.Defer(func() { ts.Check(f.Close()) })
	ts.Check(os.WriteFile(ts.MkAbs("fleet.list"), []byte("# fake managers\n"+strings.Join(plan.Addresses(), "\n")+"\n"), 0o600))
}
