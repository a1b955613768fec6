package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/printable"
	"dkvrun/runtime/syntax"
)

// RunFile runs a script and then the functions of Call.AtExit, and returns the script's results. Its errors are
// *Error or *Exit. An *Error has the code cancelled or timeout if ctx ended the run.
func (h *Host) RunFile(ctx context.Context, path string) ([]any, error) {
	src, err := readSource(path)
	if err != nil {
		return nil, err
	}
	return h.RunSource(ctx, path, src)
}

// RunSource does the same as RunFile for the source src, which it calls name.
func (h *Host) RunSource(ctx context.Context, name string, src []byte) ([]any, error) {
	fn, err := h.compiler.compile(name, src)
	if err != nil {
		return nil, err
	}
	return h.run(ctx, fn, h.scriptArgs())
}

// scriptArgs returns Options.Args as arguments of a call.
func (h *Host) scriptArgs() []any {
	args := make([]any, len(h.opts.Args))
	for i, a := range h.opts.Args {
		args[i] = a
	}
	return args
}

// evalName is the name of the chunk that Eval runs.
const evalName = "-e"

// Eval runs text and returns its values. It tries the text as an expression first, then as a chunk.
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
	if errors.As(asExpression, &refused) && refused.AtEnd { // the text is the beginning of an expression
		return nil, asExpression
	}
	return nil, asChunk
}

// run calls a function and then the functions of AtExit.
func (h *Host) run(ctx context.Context, fn *lua.LFunction, args []any) ([]any, error) {
	h.scheduler.lock.acquire(h.scheduler.root)
	defer h.scheduler.lock.release()
	got, err := h.phase(ctx, fn, args)
	if err = h.runAtExit(ctx, err); err != nil {
		return nil, err
	}
	results := make([]any, len(got))
	for i, v := range got {
		complete := false
		if results[i], complete = h.conv.fromLuaUntil(ctx, v.v); !complete {
			return nil, h.callError(h.main, ctx.Err())
		}
	}
	return results, nil
}

// phase calls fn on the main thread and waits for the tasks that it spawned. An exit in any of them ends all of them.
func (h *Host) phase(ctx context.Context, fn *lua.LFunction, args []any) (Values, error) {
	s := h.scheduler
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	s.run, s.exit = ctx, nil
	values, err := h.scheduler.root.inScope(ctx, func() (Values, error) { return h.call(h.main, fn, args) })
	if s.exit != nil {
		return nil, s.exit
	}
	return values, err
}

// call calls a function on a new thread below L.
func (h *Host) call(L *lua.LState, fn *lua.LFunction, args []any) (Values, error) {
	values, err := h.allToLua(args)
	if err != nil {
		return nil, err
	}
	got, err := h.protect(L, fn, values)
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

// outcome converts the result of a protected call for Go code.
func (h *Host) outcome(L *lua.LState, got []lua.LValue, err error) (Values, error) {
	// The script may have caught an exit, or the end of the context, in its last call.
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

// Invoke calls a function of a script that has ended, as a separate run: it waits for the tasks that the function
// spawned and runs the functions of AtExit. Its errors are those of RunFile.
func (h *Host) Invoke(ctx context.Context, f *Func) error {
	h.scheduler.lock.acquire(h.scheduler.root)
	defer h.scheduler.lock.release()
	_, err := h.phase(ctx, f.fn, nil)
	return h.runAtExit(ctx, err)
}

// Call does the same as Invoke, with arguments, and returns the function's results as RunFile does.
func (h *Host) Call(ctx context.Context, f *Func, args ...any) ([]any, error) {
	return h.run(ctx, f.fn, args)
}

// errGrace is the cause that ends a function of AtExit.
var errGrace = errors.New("the time to clean up has passed")

// exitFunc is a function that runs at the end of a run.
type exitFunc struct {
	ctx context.Context // only its values are used
	fn  *lua.LFunction
}

// AtExit registers f to be called at the end of the run, however the run ends. The functions run in reverse order.
// Each gets a context with the values of ctx, which ends Options.Grace after the run was cancelled.
func (c *Call) AtExit(ctx context.Context, f *Func) {
	c.withLock(func() { c.Host.atExit = append(c.Host.atExit, exitFunc{context.WithoutCancel(ctx), f.fn}) })
}

// runAtExit calls the functions of AtExit and returns the error of the run: err, or else their first error. It prints
// further errors to standard error.
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
			fmt.Fprintf(h.opts.Stderr, "dkvrun: at_exit: %s\n", printable.Text(failed.Error()))
		}
	}
	return err
}

// afterGrace returns a context that ends d after ctx ends.
func afterGrace(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	grace, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d, func() { cancel(errGrace) })
		context.AfterFunc(grace, func() { timer.Stop() })
	})
	return grace, func() { stop(); cancel(nil) }
}

// joined returns a context with the values of one context and the end of another.
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
