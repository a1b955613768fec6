package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"dkvrun/builtins"
	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/interrupt"
	"dkvrun/cmd/dkvrun/internal/output"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/runtime"
	"dkvrun/runtime/credential"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/local"
	"dkvrun/runtime/printable"
	"dkvrun/stdlib"
)

// runScript runs a script or an expression and returns the exit status.
func runScript(p *process.Process, o *options) int {
	p.Stdout, p.Stderr = interrupt.WithoutSIGPIPE(p.Stdout), interrupt.WithoutSIGPIPE(p.Stderr)
	var current atomic.Pointer[builtins.Run]
	force := interrupt.ForceExit{Process: p, InFlight: func() []string {
		if app := current.Load(); app != nil && o.local == 0 {
			return app.InFlight()
		}
		return nil
	}}
	ctx, watch := interrupt.WatchSignals(force)
	if o.timeout > 0 {
		limited, cancel := interrupt.LimitTime(ctx, time.Duration(o.timeout))
		defer cancel()
		ctx = limited
	}
	ctx = interrupt.LimitMemory(ctx, o.maxMemory, force)
	force.AfterGrace(ctx)
	ctx, out := interrupt.WatchStdout(ctx, p.Stdout)
	s := output.NewScreen(p, out, output.Options{Table: o.output == "table", Quiet: o.quiet, Verbose: o.verbose, Color: o.color})
	r := &runner{Process: p, options: o, watch: watch, current: &current, written: out, screen: s,
		ordered: output.NewOrdered(s, s.Out()), servers: credential.Servers{Others: o.credential.Source(p.Getenv)}}
	if o.local > 0 {
		watch()
		cluster, err := startLocal(ctx, r)
		if err != nil {
			return r.finish(ctx, nil, err)
		}
		defer func() {
			if err := cluster.Close(); err != nil {
				fmt.Fprintf(p.Stderr, "dkvrun: %v\n", err)
			}
		}()
	}
	values, err := r.run(ctx)
	return r.finish(ctx, values, err)
}

// maxInput bounds the bytes read of a script on standard input. It is larger than the limit of the host for a source,
// so that the host reports the error.
const maxInput = 2 << 20

// runner holds the state of one run.
type runner struct {
	*process.Process
	*options
	watch   func()                        // starts the handling of signals
	current *atomic.Pointer[builtins.Run] // app, for the goroutine that forces the exit
	written *interrupt.Stdout
	screen  *output.Screen
	ordered *output.Ordered // the screen, for concurrent tasks
	servers credential.Servers
	host    *runtime.Host
	app     *builtins.Run
}

// startLocal starts the throw-away cluster of --local and makes its managers the session.
func startLocal(ctx context.Context, r *runner) (*local.Cluster, error) {
	manager, err := local.FindManager(r.Getenv, r.Executable)
	if err != nil {
		return nil, exit.Misuse("", "%v", err)
	}
	r.screen.Progress(fmt.Sprintf("starting %d managers", r.options.local))
	cluster, err := local.Start(ctx, local.Options{
		Servers: r.options.local, Secured: r.secured, Keep: r.keep, Manager: manager, TempDir: os.TempDir(),
	})
	r.screen.Progress("")
	if err != nil {
		return nil, err
	}
	r.screen.Notice(cluster.Describe())
	r.source = "--local"
	r.session, err = fanout.ParseEndpoints(cluster.Endpoints(), r.managerPort)
	r.servers.Started(r.session, cluster.Credential())
	return cluster, err
}

// run sets up the Lua host and runs the script or expression of the command line.
func (r *runner) run(ctx context.Context) ([]any, error) {
	client := fanout.New(fanout.Config{Total: int64(r.maxMemory) << 20, Security: &r.servers, Reason: r.reason})
	defer client.Close()
	// With -o json, standard output has the document and nothing else.
	out := io.Writer(r.ordered)
	if r.output == "json" {
		out = r.Stderr
	}
	r.app = builtins.NewRun(builtins.Config{
		Client: client, Credentials: &r.servers, Reporter: r.ordered, Stdout: out,
		Preset: r.session, Source: r.source, ManagerPort: r.managerPort,
		Owner: process.Owner, DryRun: r.dryRun,
		Yes: r.yes, AllowDown: r.down, Strict: r.strict, KeepGoing: r.keepGoing, Ask: r.prompt(),
	})
	r.current.Store(r.app)
	r.host = runtime.New(runtime.Options{
		Builtins: builtins.All(), BeforeCall: r.watch, Stdout: out, Stderr: r.Stderr,
		Script: r.script, Args: r.options.args, Path: filepath.SplitList(r.Getenv("DKVRUN_PATH")), Stdlib: stdlib.FS, App: r.app,
		MaxString: min(r.maxMemory<<20/8, runtime.DefaultMaxString), // LimitMemory notices a few of them in time
		Seed:      r.seed, Grace: interrupt.GraceTime - time.Second,
	})
	switch {
	case r.isEval:
		return r.host.Eval(ctx, r.eval)
	case r.script == "-":
		source, err := io.ReadAll(io.LimitReader(r.Stdin, maxInput))
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return r.host.RunSource(ctx, "stdin", source)
	}
	return r.host.RunFile(ctx, r.script)
}

// finish prints the result of the run and returns its exit status.
func (r *runner) finish(ctx context.Context, values []any, err error) int {
	if r.host != nil {
		defer r.host.Close()
	}
	r.ordered.Flush()
	if err == nil && r.app != nil {
		err = r.app.UncheckedFailure()
		if r.isEval {
			err = firstError(valueFailed(r.eval, values), err)
		}
	}
	err = r.stopped(ctx, err)
	if r.output == "json" {
		if unfit := r.document(values, err).Write(r.written); unfit != nil && r.written.Lost == nil {
			return max(exit.Report(r.Stderr, unfit, false), exit.Status(err))
		}
	} else if r.isEval {
		r.showValues(values) // an expression that raised an error has none
	}
	status := exit.Report(r.Stderr, r.unread(err), r.trace)
	if status == exit.Done {
		return exit.Report(r.Stderr, r.written.Complete(), false)
	}
	return status
}

// document returns the document of -o json.
func (r *runner) document(values []any, err error) output.Document {
	d := output.Document{Err: err}
	if r.app != nil {
		d.Actions, d.Steps, d.Unreachable = r.app.Actions(), r.app.Steps(), r.app.Unreachable()
	}
	if len(values) > 0 {
		// For an expression, err reports the uncalled function.
		if !r.isEval || uncalled(r.eval, values[0]) == nil {
			d.Value = values[0]
		}
	}
	return d
}

// unread returns the error of a run that ended with err. If its output was not read to the end and it has changed
// something, that is an exit.Stopped that lists the changes.
func (r *runner) unread(err error) error {
	var stopped *exit.Stopped
	closed := r.written.Closed()
	if closed == nil || r.app == nil || err != nil && !errors.As(err, &stopped) {
		return err
	}
	made := r.app.Outcomes()
	if len(made) == 0 {
		return err
	}
	if stopped == nil {
		stopped = &exit.Stopped{Reason: closed}
	}
	told := *stopped
	told.Made = made
	return &told
}

// stopped returns an exit.Stopped if ctx ended the run, otherwise err.
func (r *runner) stopped(ctx context.Context, err error) error {
	var chosen *runtime.Exit
	if err == nil || ctx.Err() == nil || errors.As(err, &chosen) {
		return err
	}
	stopped := &exit.Stopped{Reason: context.Cause(ctx), Err: err}
	if r.app != nil {
		stopped.InDoubt = r.app.InDoubt()
	}
	return stopped
}

// valueFailed returns the error of an expression whose value is a failed result, or what a query returned that not all
// managers answered and that nothing has checked. It is silent: the rows, or the line about these managers, were
// printed already. A function is a failure too: nothing was called.
func valueFailed(text string, values []any) error {
	for _, v := range values {
		switch res := source(v).(type) {
		case *builtins.Results:
			if !res.OK() {
				return shown("the expression's value is a failed result")
			}
		case *builtins.QueryResult:
			if res.Unchecked() != nil {
				return shown(res.Summary())
			}
		}
		if err := uncalled(text, v); err != nil {
			return err
		}
	}
	return nil
}

func shown(message string) error {
	return &exit.Error{Status: exit.Failed, Message: message, Silent: true}
}

// source returns the object behind a value of an expression, or nil.
func source(v any) runtime.Object {
	switch v := v.(type) {
	case runtime.Object:
		return v
	case runtime.List:
		return v.Source
	case runtime.Record:
		return v.Source
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// uncalled returns the error of an expression that only names a function, or a table of functions such as json; nil for
// any other value.
func uncalled(text string, value any) error {
	text = strings.TrimSpace(text)
	named := regexp.MustCompile(`^[\w.]+$`).MatchString(text)
	switch v := value.(type) {
	case *runtime.Func:
		err := &exit.Error{Status: exit.Failed, Message: "the expression's value is a function, which was not called"}
		if named {
			err.Hint = text + "() calls it"
		}
		return err
	case map[string]any:
		if !named || len(v) == 0 {
			return nil
		}
		for _, field := range v {
			if _, function := field.(*runtime.Func); !function {
				return nil
			}
		}
		return &exit.Error{
			Status: exit.Failed, Message: "the expression's value is a table of functions, of which none was called",
			Hint: functions(text, slices.Sorted(maps.Keys(v))),
		}
	}
	return nil
}

// functions says how the functions of a table are called, and the table itself if a builtin has its name.
func functions(table string, names []string) string {
	const most = 5
	var calls []string
	if slices.ContainsFunc(builtins.All(), func(b runtime.Builtin) bool { return b.Name == table }) {
		calls = append(calls, table+"()")
	}
	for _, name := range names {
		calls = append(calls, table+"."+name+"()")
	}
	if len(calls) > most {
		calls = append(calls[:most], "…")
	}
	return "call one: " + strings.Join(calls, ", ")
}

// showValues prints the values of an expression: nil too, but not results, whose rows were printed already, and not
// functions that were not called, which are an error.
func (r *runner) showValues(values []any) {
	for _, v := range values {
		if _, results := v.(*builtins.Results); !results && uncalled(r.eval, v) == nil {
			fmt.Fprintln(r.screen.Out(), printable.Text(runtime.Format(v)))
		}
	}
}
