package main

import (
	"context"
	"errors"
	"io"
	"testing"
)

func TestPrompt_EndsWithRun(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close()
	asked, out := io.Pipe()
	q := &prompter{in: in, out: out, lock: make(chan struct{}, 1), lines: make(chan string)}
	ctx, interrupt := context.WithCancel(context.Background())
	answered := make(chan error, 1)
	go func() {
		_, err := q.ask(ctx, "Sure? ")
		answered <- err
	}()
	question := make([]byte, len("Sure? "))
	if _, err := io.ReadFull(asked, question); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, asked)
	interrupt() // Ctrl-C, with the question on the terminal and nothing typed
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// The next typed line answers the next question.
	go io.WriteString(typed, " yes and no \nmore\n")
	for _, want := range []string{"yes and no", "more"} {
		if got, err := q.ask(context.Background(), "Once more? "); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	typed.Close()
	if got, err := q.ask(context.Background(), "And now? "); got != "" || err != nil {
		t.Errorf("at the end of the input: %q, %v", got, err)
	}
}
