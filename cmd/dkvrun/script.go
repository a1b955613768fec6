package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"dkvrun/builtins"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/local"
	"dkvrun/stdlib"
)

// runScript runs a script or an expression from its set-up to its exit status.
func runScript(p *process, o *options) int {
	p.stdout, p.stderr = spared(p.stdout), spared(p.stderr)
	var changing atomic.Pointer[builtins.Run]
	leave := leaving{p.stderr, func() []string {
		if app := changing.Load(); app != nil && o.local == 0 {
			return app.UnderWay()
		}
		return nil
	}}
	ctx, watch := watchSignals(leave)
	if o.timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, time.Duration(o.timeout), errTimeLimit)
		defer cancel()
		ctx = limited
	}
	ctx = limitMemory(ctx, o.maxMemory, leave)
	leave.inTime(ctx)
	ctx, out := watchOutput(ctx, p.stdout)
	s := newScreen(p, o, out)
	r := &runner{process: p, options: o, watch: watch, changing: &changing, written: out, screen: s, turns: newTurns(s, s.out)}
	if o.local > 0 {
		watch()
		cluster, err := startLocal(ctx, r)
		if err != nil {
			return r.finish(ctx, nil, err)
		}
		defer func() {
			if err := cluster.Close(); err != nil {
				fmt.Fprintf(p.stderr, "dkvrun: %v\n", err)
			}
		}()
	}
	values, err := r.run(ctx)
	return r.finish(ctx, values, err)
}

// maxInput is how much is read of a script on standard input: more than a source may have, so that
// the host can say so.
const maxInput = 2 << 20

// errTimeLimit is why a run ends that --timeout has ended.
var errTimeLimit = errors.New("--timeout")

// runner is one run.
type runner struct {
	*process
	*options
	watch    func()                        // handles signals from now on
	changing *atomic.Pointer[builtins.Run] // app, for whoever handles them
	written  *output
	screen   *screen
	turns    *turns // the screen, for tasks
	host     *runtime.Host
	app      *builtins.Run
}

// startLocal starts the throw-away cluster and makes it the session.
func startLocal(ctx context.Context, r *runner) (*local.Cluster, error) {
	manager, err := local.FindManager(r.getenv, r.executable)
	if err != nil {
		return nil, misuse("", "%v", err)
	}
	r.screen.Progress(fmt.Sprintf("starting %d managers", r.options.local))
	cluster, err := local.Start(ctx, local.Options{Servers: r.options.local, Keep: r.keep, Manager: manager, TempDir: os.TempDir()})
	r.screen.Progress("")
	if err != nil {
		return nil, err
	}
	r.screen.Notice(cluster.Describe())
	r.source = "--local"
	r.session, err = fanout.ParseEndpoints(cluster.Endpoints(), r.managerPort)
	return cluster, err
}

// run sets up the host and runs what the command line names.
func (r *runner) run(ctx context.Context) ([]any, error) {
	client := fanout.New(fanout.Config{Total: int64(r.maxMemory) << 20})
	defer client.Close()
	// With JSON, standard output carries the one document and nothing else.
	out := io.Writer(r.turns)
	if r.output == "json" {
		out = r.stderr
	}
	r.app = builtins.NewRun(builtins.Config{
		Client: client, Reporter: r.turns, Stdout: out,
		Preset: r.session, Source: r.source, ManagerPort: r.managerPort,
		Owner: owner, DryRun: r.dryRun,
		Yes: r.yes, AllowDown: r.down, Strict: r.strict, KeepGoing: r.keepGoing, Ask: r.asker(),
	})
	r.changing.Store(r.app)
	r.host = runtime.New(runtime.Options{
		Builtins: builtins.All(), BeforeCall: r.watch, Stdout: out, Stderr: r.stderr, Stdin: r.stdin,
		Script: r.script, Args: r.options.args, Path: filepath.SplitList(r.getenv("DKVRUN_PATH")), Stdlib: stdlib.FS, App: r.app,
		Seed: r.seed, Grace: graceTime - time.Second,
	})
	switch {
	case r.isEval:
		return r.host.Eval(ctx, r.eval)
	case r.script == "-":
		source, err := io.ReadAll(io.LimitReader(r.stdin, maxInput))
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return r.host.RunSource(ctx, "stdin", source)
	}
	return r.host.RunFile(ctx, r.script)
}

// finish shows what came of the run and returns its exit status.
func (r *runner) finish(ctx context.Context, values []any, err error) int {
	if r.host != nil {
		defer r.host.Close()
	}
	r.turns.flush()
	if err == nil && r.app != nil {
		err = r.app.Overlooked()
		if r.isEval {
			err = firstError(valueFailed(values), err)
		}
	}
	status := statusOf(ctx, err)
	if r.output == "json" {
		if err := writeDocument(r.written, r, values, err, status); err != nil && r.written.lost == nil {
			fmt.Fprintf(r.stderr, "dkvrun: %v\n", err)
			return max(status, statusFailed)
		}
	} else if r.isEval && err == nil || errors.Is(err, errShown) {
		r.showValues(values)
	}
	r.explain(ctx, err)
	return r.written.check(status, r.stderr)
}

// errShown is the failure of an expression whose value is a failed result: the rows have said it.
var errShown = errors.New("the expression's value is a failed result")

func valueFailed(values []any) error {
	for _, v := range values {
		if res, ok := v.(*builtins.Results); ok && !res.OK() {
			return errShown
		}
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

// showValues shows what an expression gave, but not again what an action has printed.
func (r *runner) showValues(values []any) {
	for _, v := range values {
		if _, printed := v.(*builtins.Results); v != nil && !printed {
			fmt.Fprintln(r.screen.out, runtime.Format(v))
		}
	}
}

func statusOf(ctx context.Context, err error) int {
	var exit *runtime.Exit
	var usage *usageError
	var script *runtime.Error
	switch {
	case err == nil:
		return statusDone
	case errors.As(err, &exit):
		return exit.Status
	case context.Cause(ctx) == errTimeLimit:
		return statusTimeout
	case context.Cause(ctx) == errMemory:
		return statusFailed
	case context.Cause(ctx) == errNoReader:
		return statusNoReader
	case ctx.Err() != nil:
		return statusInterrupted
	case errors.As(err, &usage):
		return statusUsage
	case errors.As(err, &script) && (script.Code == runtime.CodeSource || script.Code == runtime.CodeUsageArgs):
		return statusUsage
	}
	return statusFailed
}

// explain says on standard error why the run did not end well.
func (r *runner) explain(ctx context.Context, err error) {
	var exit *runtime.Exit
	var script *runtime.Error
	switch {
	case err == nil, errors.Is(err, errShown):
	case errors.As(err, &exit):
		if exit.Message != "" {
			fmt.Fprintln(r.stderr, exit.Message)
		}
	case context.Cause(ctx) == errTimeLimit:
		fmt.Fprintf(r.stderr, "dkvrun: stopped: --timeout %s passed%s\n", r.timeout.String(), where(err))
		r.doubts(err)
	case context.Cause(ctx) == errNoReader:
		fmt.Fprintf(r.stderr, "dkvrun: stopped%s: %v\n", where(err), errNoReader)
		r.doubts(err)
	case context.Cause(ctx) == errMemory:
		fmt.Fprintf(r.stderr, "dkvrun: stopped: --max-memory %d MiB passed%s\n", r.maxMemory, where(err))
		r.doubts(err)
	case ctx.Err() != nil:
		fmt.Fprintf(r.stderr, "dkvrun: interrupted%s\n", where(err))
		r.doubts(err)
	case errors.As(err, &script):
		fmt.Fprintf(r.stderr, "dkvrun: %v\n", script)
		if script.Hint != "" {
			fmt.Fprintf(r.stderr, "        %s\n", script.Hint)
		}
		if r.trace && script.Traceback != "" {
			fmt.Fprintln(r.stderr, script.Traceback)
		}
	default:
		complain(r.stderr, err)
	}
}

// doubts says what a stopped run was waiting for, and names what it may have done, or not.
func (r *runner) doubts(err error) {
	var script *runtime.Error
	if errors.As(err, &script) && script.Hint != "" {
		fmt.Fprintf(r.stderr, "        %s\n", script.Hint)
	}
	if r.app == nil {
		return
	}
	for _, what := range r.app.InDoubt() {
		fmt.Fprintf(r.stderr, "        in doubt: %s\n", what)
	}
}

// where is the place that a stopped script was at.
func where(err error) string {
	var script *runtime.Error
	if errors.As(err, &script) && script.Line > 0 {
		return fmt.Sprintf(" at %s:%d", script.File, script.Line)
	}
	return ""
}
