package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/syntax"
)

// RunFile runs a script, then what it left for its end (Call.AtExit), and returns what it returned.
// Errors are *Error or *Exit; an *Error has the code cancelled or timeout where ctx ended the run.
func (h *Host) RunFile(ctx context.Context, path string) ([]any, error) {
	src, err := readSource(path)
	if err != nil {
		return nil, err
	}
	return h.RunSource(ctx, path, src)
}

// RunSource runs src as the script of that name; otherwise it does as RunFile.
func (h *Host) RunSource(ctx context.Context, name string, src []byte) ([]any, error) {
	fn, err := h.compiler.compile(name, src)
	if err != nil {
		return nil, err
	}
	return h.run(ctx, fn, h.scriptArgs())
}

// scriptArgs are Options.Args as values of Lua.
func (h *Host) scriptArgs() []any {
	args := make([]any, len(h.opts.Args))
	for i, a := range h.opts.Args {
		args[i] = a
	}
	return args
}

// evalName is the name of the chunk that Eval runs.
const evalName = "-e"

// Eval runs text and returns its values: the text is tried as an expression, then as a chunk.
func (h *Host) Eval(ctx context.Context, text string) ([]any, error) {
	fn, asExpression := h.compiler.compile(evalName, []byte("return "+text))
	if asExpression == nil {
		return h.run(ctx, fn, h.scriptArgs())
	}
	fn, asChunk := h.compiler.compile(evalName, []byte(text))
	if asChunk == nil {
		return h.run(ctx, fn, h.scriptArgs())
	}
	var refused *syntax.Error
	if errors.As(asExpression, &refused) && refused.AtEnd { // the text begins like an expression
		return nil, asExpression
	}
	return nil, asChunk
}

// run calls a function, then those of AtExit.
func (h *Host) run(ctx context.Context, fn *lua.LFunction, args []any) ([]any, error) {
	h.scheduler.lock.acquire(h.scheduler.root)
	defer h.scheduler.lock.release()
	got, err := h.phase(ctx, fn, args)
	if err = h.runAtExit(ctx, err); err != nil {
		return nil, err
	}
	results := make([]any, len(got))
	for i, v := range got {
		results[i] = h.conv.fromLua(v.v)
	}
	return results, nil
}

// phase calls fn on the main thread and waits for the tasks that it began. An exit in any of them ends
// them all.
func (h *Host) phase(ctx context.Context, fn *lua.LFunction, args []any) (Values, error) {
	s := h.scheduler
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	s.exit = nil
	values, err := h.scheduler.root.inScope(ctx, func() (Values, error) { return h.call(h.main, fn, args) })
	if s.exit != nil {
		return nil, s.exit
	}
	return values, err
}

// call calls a function on a thread of its own below L.
func (h *Host) call(L *lua.LState, fn *lua.LFunction, args []any) (Values, error) {
	values, err := h.allToLua(args)
	if err != nil {
		return nil, err
	}
	got, err := h.protect(L, fn, values, nil)
	return h.outcome(L, got, err)
}

func (h *Host) allToLua(args []any) ([]lua.LValue, error) {
	values := make([]lua.LValue, len(args))
	for i, a := range args {
		var err error
		if values[i], err = h.conv.toLua(a); err != nil {
			return nil, &Error{Message: "a function's argument: " + err.Error()}
		}
	}
	return values, nil
}

// outcome is what Go code gets of a protected call that was made for L.
func (h *Host) outcome(L *lua.LState, got []lua.LValue, err error) (Values, error) {
	// A caught exit, or an end of the context, may have been the last thing that happened.
	if err == nil {
		err = taskOf(L).Err()
	}
	if err != nil {
		return nil, h.callError(L, err)
	}
	values := make(Values, len(got))
	for i, v := range got {
		values[i] = Value{v}
	}
	return values, nil
}

// Invoke calls a function that the script has left behind, after the script has ended, as a run of its
// own: it waits for the tasks that the function began and calls what it left for the end. Its errors are
// those of RunFile.
func (h *Host) Invoke(ctx context.Context, f *Func) error {
	h.scheduler.lock.acquire(h.scheduler.root)
	defer h.scheduler.lock.release()
	_, err := h.phase(ctx, f.fn, nil)
	return h.runAtExit(ctx, err)
}

// Ask does as Invoke, with arguments, and returns what the function returned, as RunFile does.
func (h *Host) Call(ctx context.Context, f *Func, args ...any) ([]any, error) {
	return h.run(ctx, f.fn, args)
}

// errGrace is why a function of AtExit is ended.
var errGrace = errors.New("the time to clean up has passed")

// exitFunc is a function that runs at the end.
type exitFunc struct {
	ctx context.Context // for its values
	fn  *lua.LFunction
}

// AtExit has f called at the end of the run, whatever ends it. Functions run in the reverse order, each
// in a context with ctx's values that ends when Options.Grace has passed since the run's did.
func (c *Call) AtExit(ctx context.Context, f *Func) {
	c.withLock(func() { c.Host.atExit = append(c.Host.atExit, exitFunc{context.WithoutCancel(ctx), f.fn}) })
}

// runAtExit calls the functions of AtExit and returns what the run then ends with: err, or the first
// failure of theirs, where there was none; further failures are said on standard error.
func (h *Host) runAtExit(ctx context.Context, err error) error {
	grace, cancel := afterGrace(ctx, h.opts.Grace)
	defer cancel()
	for n := len(h.atExit); n > 0; n = len(h.atExit) {
		f := h.atExit[n-1]
		h.atExit = h.atExit[:n-1]
		_, failed := h.phase(joined(f.ctx, grace), f.fn, nil)
		switch {
		case failed == nil:
		case err == nil:
			err = failed
		default:
			fmt.Fprintf(h.opts.Stderr, "dkvrun: at_exit: %v\n", failed)
		}
	}
	return err
}

// afterGrace is a context that ends d after ctx does.
func afterGrace(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	grace, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d, func() { cancel(errGrace) })
		context.AfterFunc(grace, func() { timer.Stop() })
	})
	return grace, func() { stop(); cancel(nil) }
}

// joined has the values of one context and ends with the other.
func joined(values, end context.Context) context.Context { return &joinedContext{end, values} }

type joinedContext struct {
	context.Context
	values context.Context
}

func (j *joinedContext) Value(key any) any {
	if v := j.values.Value(key); v != nil {
		return v
	}
	return j.Context.Value(key)
}
