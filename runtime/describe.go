package runtime

import (
	"context"
	"errors"
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// asError returns err if it is an *Error, else an *Error with the same text.
func asError(err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	return &Error{Message: err.Error(), Cause: err}
}

// callError returns the error of a protected call on L as Go code gets it.
func (h *Host) callError(L *lua.LState, err error) error {
	t, e := taskOf(L), h.vmError(L, err)
	switch why := t.scope.err(); {
	case why == nil:
		return e
	case t.scope.fatal != nil:
		return why
	case errors.Is(why, context.DeadlineExceeded):
		return &Error{Message: "the time given has passed", Hint: e.Hint, Code: codeTimeout, Cause: context.Cause(t.scope.ctx),
			File: e.File, Line: e.Line, Traceback: e.Traceback, InDoubt: e.InDoubt}
	default:
		return &Error{Message: "cancelled", Hint: e.Hint, Code: CodeCancelled, Cause: context.Cause(t.scope.ctx),
			File: e.File, Line: e.Line, Traceback: e.Traceback, InDoubt: e.InDoubt}
	}
}

// vmError returns an *Error for an error of the virtual machine. L runs the __tostring of a raised value.
func (h *Host) vmError(L *lua.LState, err error) *Error {
	var api *lua.ApiError
	if !errors.As(err, &api) {
		return asError(err)
	}
	if api.Type == lua.ApiErrorPanic {
		return h.panicError(api)
	}
	if ud, ok := api.Object.(*lua.LUserData); ok {
		if e, ok := ud.Value.(*Error); ok {
			if e.Traceback != "" {
				return e
			}
			traced := *e
			traced.Traceback = api.StackTrace
			return &traced
		}
	}
	raised := rewordedOverflow(L, api.Object)
	e := &Error{Traceback: api.StackTrace, raised: raised}
	if before := taskOf(L).raised; before != nil && before.raised == e.raised {
		e.Traceback = before.Traceback
	}
	e.File, e.Line, e.Message = h.compiler.splitPosition(h.errorText(L, raised))
	return e
}

// panicError returns the error for a panic in Go code.
func (h *Host) panicError(api *lua.ApiError) *Error {
	text := api.Object.String()
	return &Error{Message: "bug in dkvrun: " + text, Code: CodeBug, Hint: bugHint, Traceback: api.StackTrace}
}

const bugHint = "this is not the script's fault: please report it with the output of --trace"

// errorText returns the text of a raised value: error "text", error{message = …}, or any other.
func (h *Host) errorText(L *lua.LState, v lua.LValue) string {
	if t, ok := v.(*lua.LTable); ok && L.GetMetaField(t, "__tostring") == lua.LNil {
		if m, ok := t.RawGetString("message").(lua.LString); ok {
			return string(m)
		}
		return h.conv.show(t)
	}
	tostring, ok := L.GetMetaField(v, "__tostring").(*lua.LFunction)
	if !ok {
		return textOf(L, v)
	}
	shown, err := h.protect(L, tostring, []lua.LValue{v}) // nothing else catches what __tostring raises
	switch {
	case err != nil:
		return fmt.Sprintf("an error value that can't be shown: its __tostring fails: %v", h.nestedErrorText(err))
	case len(shown) == 0:
		return "nil"
	}
	return shown[0].String()
}

// nestedErrorText returns the text of an error that a __tostring raised, without calling another __tostring.
func (h *Host) nestedErrorText(err error) string {
	var api *lua.ApiError
	if !errors.As(err, &api) {
		return err.Error()
	}
	return h.conv.show(api.Object)
}
