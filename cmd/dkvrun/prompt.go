package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"dkvrun/cmd/dkvrun/internal/process"
)

// questions are put on the terminal, one at a time: tasks may ask at once.
type questions struct {
	in    io.Reader
	out   io.Writer
	turn  chan struct{} // held by the question that stands
	read  sync.Once
	lines chan string // closed at the end of the input
}

// asker puts a question; it is nil where standard input is no terminal, or is the script.
func (r *runner) asker() func(context.Context, string) (string, error) {
	if r.script == "-" || !process.IsTerminal(r.Stdin) || !process.IsTerminal(r.Stderr) {
		return nil
	}
	q := &questions{in: r.Stdin, out: r.Stderr, turn: make(chan struct{}, 1), lines: make(chan string)}
	return q.ask
}

// ask returns the line that is typed, without spaces around it: empty at the end of the input. It returns
// ctx's error when that is done first.
func (q *questions) ask(ctx context.Context, question string) (string, error) {
	select {
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	q.read.Do(func() { go q.readLines() })
	fmt.Fprint(q.out, question)
	select {
	case line := <-q.lines:
		return line, nil
	case <-ctx.Done():
		fmt.Fprintln(q.out)
		return "", ctx.Err()
	}
}

// readLines goes on until the input ends: to read can't be broken off.
func (q *questions) readLines() {
	defer close(q.lines)
	for lines := bufio.NewScanner(q.in); lines.Scan(); {
		q.lines <- strings.TrimSpace(lines.Text())
	}
}
