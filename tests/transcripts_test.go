package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// blocks counts the loopback networks given out: each transcript has servers of its own.
var blocks atomic.Int32

// TestTranscripts runs what a person would type. In a transcript $H1 to $H4 are hosts of its own;
// `managers HOST…` starts a manager on each, `managers -stop HOST` and `-kill HOST` end one.
func TestTranscripts(t *testing.T) {
	scripts, err := filepath.Abs("../scripts")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "transcripts",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			block := blocks.Add(1)
			for i := 1; i <= 4; i++ {
				env.Setenv(fmt.Sprintf("H%d", i), fmt.Sprintf("127.40.%d.%d", block, 10+i))
			}
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("SCRIPTS", scripts)
			env.Setenv("TMPDIR", env.WorkDir)
			env.Setenv("NO_COLOR", "1")
			f := &fleet{dir: filepath.Join(env.WorkDir, ".managers")}
			env.Values[fleetKey{}] = f
			env.Defer(f.close)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"managers": managersCommand,
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
