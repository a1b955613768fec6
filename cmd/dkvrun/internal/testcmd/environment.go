package testcmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"dkvrun/builtins"
	"dkvrun/builtins/report"
	"dkvrun/builtins/testkit"
	"dkvrun/cmd/dkvrun/internal/interrupt"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/runtime"
	"dkvrun/runtime/credential"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/local"
	"dkvrun/runtime/netfault"
	"dkvrun/runtime/suite"
	"dkvrun/stdlib"
)

// environment holds what the tests of one file run in: a Lua host with all builtins, and a run.
type environment struct {
	*builtins.Run
	host   *runtime.Host
	client *fanout.Client
}

// openEnvironment returns the environment of a file.
func openEnvironment(p *process.Process, o *testOptions, s suite.Setup) *environment {
	fixtures := &builtins.Fixtures{
		Manager: func() (string, error) { return local.FindManager(p.Getenv, p.Executable) }, TempDir: os.TempDir(),
		Executable: p.Executable, Folder: filepath.Dir(s.File), Environment: o.credential.Environment(),
		AtEnd: s.Scope.AtEnd, Abort: s.Scope.Abort,
	}
	credentials := o.credential.Source(p.Getenv)
	e := &environment{client: fanout.New(fanout.Config{
		Answered: fixtures.Answered, Control: netfault.Control,
		Security: security{credentials, fixtures},
	})}
	e.Run = builtins.NewRun(builtins.Config{
		Client: e.client, Credentials: credentials, Reporter: &recorder{note: s.Action}, Stdout: s.Stdout,
		Preset: o.session, Source: o.source, ManagerPort: o.managerPort, Owner: process.Owner, Fixtures: fixtures,
	})
	e.host = runtime.New(runtime.Options{
		Builtins: slices.Concat(builtins.All(), testkit.Builtins(), s.Words), Stdout: s.Stdout, Stderr: s.Stdout,
		Script: s.File, Path: filepath.SplitList(p.Getenv("DKVRUN_PATH")), Stdlib: stdlib.FS, Seed: s.Seed,
		Grace: interrupt.GraceTime - time.Second, App: e.Run,
	})
	return e
}

// security connects with the user's credential, but not to managers that a test has started without TLS.
type security struct {
	*credential.Source
	fixtures *builtins.Fixtures
}

func (s security) Default(e fanout.Endpoint) bool { return !s.fixtures.Plain(e) && s.Source.Default(e) }

func (e *environment) Host() *runtime.Host { return e.host }

func (e *environment) Close() {
	e.host.Close()
	e.client.Close()
}

// recorder is a Reporter that records the rows of a test's actions. It ignores progress.
type recorder struct{ note func(line string) }

func (r *recorder) Begin(*report.Action) {}
func (r *recorder) End(*report.Action)   {}
func (r *recorder) Progress(string)      {}
func (r *recorder) Step(report.Step)     {}
func (r *recorder) Width() int           { return 0 }

func (r *recorder) Row(a *report.Action, row report.Row) {
	r.note(fmt.Sprintf("%s: %s %s %s %s", a.Builtin, row.Manager, row.Operation(), row.Result, row.Message))
}

func (r *recorder) Notice(text string)  { r.note(text) }
func (r *recorder) Redraw(frame string) { r.note(frame) }
