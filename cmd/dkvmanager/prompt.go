package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// errInterrupted is the error of a command that a signal ends while it waits for input.
var errInterrupted = errors.New("interrupted, and nothing was changed")

// input returns what read returns, or errInterrupted when ctx is done before: a terminal or a pipe may never answer.
// The read then goes on, and what it gets is dropped.
func input[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := read()
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}

// askSecret asks at a terminal for a line, which it does not show. The terminal shows what is typed again when it
// returns, also after a signal.
func askSecret(ctx context.Context, terminal *os.File, prompt string) (string, error) {
	before, err := term.GetState(int(terminal.Fd()))
	if err != nil {
		return "", fmt.Errorf("the passphrase can't be read: %w", err)
	}
	fmt.Fprint(terminal, prompt)
	text, err := input(ctx, func() ([]byte, error) { return term.ReadPassword(int(terminal.Fd())) })
	fmt.Fprintln(terminal)
	if errors.Is(err, errInterrupted) {
		return "", errors.Join(err, term.Restore(int(terminal.Fd()), before))
	}
	if err != nil {
		return "", fmt.Errorf("the passphrase can't be read: %w", err)
	}
	return string(text), nil
}
