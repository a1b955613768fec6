package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"dkvrun/runtime"
)

// maxOutput is the maximum size of a test's recorded output in bytes.
const maxOutput = 1 << 20

// attempt is a running test, setup or teardown. It collects the output and the actions.
type attempt struct {
	mu      sync.Mutex
	output  bytes.Buffer
	dropped int // bytes of output
	actions []string
}

func (a *attempt) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := b[:min(len(b), maxOutput-a.output.Len())]
	a.dropped += len(b) - len(kept)
	a.output.Write(kept)
	return len(b), nil
}

func (a *attempt) act(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.actions = append(a.actions, line)
}

// text returns the output.
func (a *attempt) text() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dropped > 0 {
		return fmt.Sprintf("%s\n… %d more bytes\n", a.output.String(), a.dropped)
	}
	return a.output.String()
}

// errTimeout is the cause if something took longer than --timeout.
var errTimeout = errors.New("timeout")

// bounded runs do with a context that ends at the time limit or when the test is aborted.
func (f *file) bounded(ctx context.Context, do func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, f.options.Timeout, errTimeout)
	defer cancel()
	abortable, abort := context.WithCancelCause(limited)
	defer abort(nil)
	f.setAbort(abort)
	defer f.setAbort(nil)
	err := do(abortable)
	if cause := context.Cause(abortable); err != nil && cause != nil {
		return &ended{cause: cause, err: err, limit: f.options.Timeout}
	}
	return err
}

// ended is the error of a call whose context ended.
type ended struct {
	cause, err error
	limit      time.Duration
}

func (e *ended) Unwrap() error { return e.err }
func (e *ended) Error() string {
	switch {
	case errors.Is(e.cause, errTimeout):
		return fmt.Sprintf("not done after %s", e.limit)
	case errors.Is(e.cause, context.Canceled):
		return "interrupted"
	}
	return e.cause.Error()
}

// cleanUp runs do with a new time limit. An interrupt does not end it.
func (f *file) cleanUp(ctx context.Context, do func(context.Context) error) error {
	return f.bounded(context.WithoutCancel(ctx), do)
}

// attempt runs a test once, with the hooks around it.
func (f *file) attempt(ctx context.Context, t *test) Attempt {
	began := time.Now()
	a := f.begin()
	blocks := t.block.path()
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	ctx, unchecked := f.environment.TestScope(ctx, true)
	f.open() // for before_each and after_each
	entered := false
	note(f.bounded(ctx, func(ctx context.Context) error {
		for _, b := range blocks {
			if err := f.call(ctx, b.hooks[beforeEach]); err != nil {
				return err
			}
		}
		f.open() // for the test
		entered = true
		return f.environment.Host().Invoke(ctx, t.fn)
	}))
	if entered {
		errs = append(errs, f.close(ctx)...)
	}
	for _, b := range slices.Backward(blocks) {
		for _, fn := range b.hooks[afterEach] {
			note(f.cleanUp(ctx, func(ctx context.Context) error { return f.environment.Host().Invoke(ctx, fn) }))
		}
	}
	if len(errs) == 0 {
		note(unchecked())
	}
	errs = append(errs, f.close(ctx)...)
	f.finish()
	return f.outcome(a, errs, time.Since(began))
}

// outcome returns the result of an attempt.
func (f *file) outcome(a *attempt, errs []error, took time.Duration) Attempt {
	out := Attempt{Status: Passed, Duration: took, Output: a.text(), Actions: a.actions}
	var script *runtime.Error
	if len(errs) == 1 && errors.As(errs[0], &script) && script.Code == codePending {
		out.Status, out.Reason = Pending, script.Message
		return out
	}
	for _, err := range errs {
		p := f.problem(err)
		out.Problems = append(out.Problems, p)
		switch {
		case !p.Assertion:
			out.Status = Errored
		case out.Status == Passed:
			out.Status = Failed
		}
	}
	return out
}

// call calls functions in order, up to the first that raises.
func (f *file) call(ctx context.Context, functions []*runtime.Func) error {
	for _, fn := range functions {
		if err := f.environment.Host().Invoke(ctx, fn); err != nil {
			return err
		}
	}
	return nil
}
