package runtime

import (
	"context"

	lua "github.com/yuin/gopher-lua"
)

// RunFile runs a script and returns what it returned. Errors are *Error or *Exit; an *Error has the
// code cancelled or timeout where ctx ended the run.
func (h *Host) RunFile(ctx context.Context, path string) ([]any, error) {
	src, err := readSource(path)
	if err != nil {
		return nil, err
	}
	return h.RunSource(ctx, path, src)
}

// RunSource runs src as the script of that name; otherwise it does as RunFile.
func (h *Host) RunSource(ctx context.Context, name string, src []byte) ([]any, error) {
	fn, err := h.compile(name, src)
	if err != nil {
		return nil, err
	}
	return h.run(ctx, fn)
}

// evalName is the name of the chunk that Eval runs.
const evalName = "-e"

// Eval runs text and returns its values: the text is tried as an expression, then as a chunk.
func (h *Host) Eval(ctx context.Context, text string) ([]any, error) {
	fn, asExpression := h.compile(evalName, []byte("return "+text))
	if asExpression == nil {
		return h.run(ctx, fn)
	}
	fn, asChunk := h.compile(evalName, []byte(text))
	if asChunk == nil {
		return h.run(ctx, fn)
	}
	if e := asError(asExpression); e.Message == endsEarly { // it was understood to its end
		return nil, e
	}
	return nil, asChunk
}

// run calls a main chunk with the script's arguments.
func (h *Host) run(ctx context.Context, fn *lua.LFunction) ([]any, error) {
	args := make([]any, len(h.opts.Args))
	for i, a := range h.opts.Args {
		args[i] = a
	}
	leave := h.task.enter(ctx)
	defer leave()
	return h.call(fn, args)
}

// call calls a function on the thread that is running.
func (h *Host) call(fn *lua.LFunction, args []any) ([]any, error) {
	L := h.current
	values := make([]lua.LValue, len(args))
	for i, a := range args {
		var err error
		if values[i], err = h.toLua(a); err != nil {
			return nil, &Error{Message: "a function's argument: " + err.Error()}
		}
	}
	got, err := h.protect(L, fn, values, nil)
	// A caught exit, or an end of the context, may have been the last thing that happened.
	if err == nil {
		err = taskOf(L).scope.stopped()
	}
	if err != nil {
		return nil, h.failure(taskOf(L), err)
	}
	results := make([]any, len(got))
	for i, v := range got {
		results[i] = h.fromLua(v)
	}
	return results, nil
}
