package suite

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func testFile() *file { return &file{options: &Options{Timeout: time.Minute}} }

func TestScope_EndsInnermostFirst(t *testing.T) {
	f := testFile()
	var ended []string
	at := func(name string) {
		if err := f.AtEnd(func(context.Context) error {
			ended = append(ended, name)
			return errors.New(name)
		}); err != nil {
			t.Error(err)
		}
	}
	if err := f.AtEnd(nil); err == nil {
		t.Error("something can be kept while no scope is open")
	}
	f.open()
	at("first")
	at("second")
	f.open()
	at("inner")
	interrupted, cancel := context.WithCancel(context.Background())
	cancel()
	if errs := f.close(interrupted); len(errs) != 1 || !slices.Equal(ended, []string{"inner"}) {
		t.Errorf("the inner scope: %v, %v", ended, errs)
	}
	if errs := f.close(interrupted); len(errs) != 2 || !slices.Equal(ended, []string{"inner", "second", "first"}) {
		t.Errorf("the outer scope: %v, %v", ended, errs)
	}
}

// waits returns when its context ends.
func waits(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestScope_Abort(t *testing.T) {
	f := testFile()
	cause := errors.New("the manager ended")
	err := f.bounded(context.Background(), func(ctx context.Context) error {
		f.Abort(cause)
		return waits(ctx)
	})
	if err == nil || err.Error() != cause.Error() {
		t.Errorf("aborted: %v", err)
	}
	f.Abort(cause) // between two tests: it aborts the next one
	if err := f.bounded(context.Background(), waits); err == nil || err.Error() != cause.Error() {
		t.Errorf("lost before: %v", err)
	}
	if err := f.bounded(context.Background(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("told twice: %v", err)
	}
}

func TestFile_TimeLimit(t *testing.T) {
	f := &file{options: &Options{Timeout: 20 * time.Millisecond}}
	if err := f.bounded(context.Background(), waits); err == nil || err.Error() != "not done after 20ms" {
		t.Errorf("got %v", err)
	}
	interrupted, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.bounded(interrupted, waits); err == nil || err.Error() != "interrupted" {
		t.Errorf("got %v", err)
	}
	own := errors.New("its own")
	if err := f.bounded(context.Background(), func(context.Context) error { return own }); err != own {
		t.Errorf("got %v", err)
	}
}
