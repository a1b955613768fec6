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
	servers := &credential.Servers{Others: o.credential.Source(p.Getenv)}
	fixtures := &builtins.Fixtures{
		Manager: func() (string, error) { return local.FindManager(p.Getenv, p.Executable) }, TempDir: os.TempDir(),
		Executable: p.Executable, Folder: filepath.Dir(s.File), Environment: o.credential.Environment(),
		Secured: o.secured, Servers: servers,
		AtEnd: s.Scope.AtEnd, Abort: s.Scope.Abort,
	}
	e := &environment{client: fanout.New(fanout.Config{
		Answered: fixtures.Answered, Control: netfault.Control,
		Security: servers,
	})}
	e.Run = builtins.NewRun(builtins.Config{
		Client: e.client, Credentials: servers, Reporter: &recorder{note: s.Action}, Stdout: s.Stdout,
		Preset: o.session, Source: o.source, ManagerPort: o.managerPort, Owner: process.Owner, Fixtures: fixtures,
	})
	e.host = runtime.New(runtime.Options{
		Builtins: slices.Concat(builtins.All(), testkit.Builtins(), s.Words), Stdout: s.Stdout, Stderr: s.Stdout,
		Script: s.File, Path: filepath.SplitList(p.Getenv("DKVRUN_PATH")), Stdlib: stdlib.FS, Seed: s.Seed,
		Grace: interrupt.GraceTime - time.Second, App: e.Run,
	})
	return e
}

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
