package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
)

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
	c.locked(func() { c.Host.atExit = append(c.Host.atExit, exitFunc{context.WithoutCancel(ctx), f.fn}) })
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
