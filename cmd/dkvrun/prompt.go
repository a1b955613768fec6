package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/runtime/printable"
)

// prompter asks questions on the terminal, one at a time although tasks may ask at the same time.
type prompter struct {
	in    io.Reader
	out   io.Writer
	lock  chan struct{} // held while a question waits for its answer
	read  sync.Once
	lines chan string // closed at the end of the input
}

// prompt returns a function that asks a question, or nil if standard input is not a terminal or is the script.
func (r *runner) prompt() func(context.Context, string) (string, error) {
	if r.script == "-" || !process.IsTerminal(r.Stdin) || !process.IsTerminal(r.Stderr) {
		return nil
	}
	p := &prompter{in: r.Stdin, out: r.Stderr, lock: make(chan struct{}, 1), lines: make(chan string)}
	return p.ask
}

// ask returns the typed line without surrounding spaces, or "" at the end of the input. It returns the error of ctx
// when ctx ends first.
func (p *prompter) ask(ctx context.Context, question string) (string, error) {
	select {
	case p.lock <- struct{}{}:
		defer func() { <-p.lock }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	p.read.Do(func() { go p.readLines() })
	fmt.Fprint(p.out, printable.Text(question))
	select {
	case line := <-p.lines:
		return line, nil
	case <-ctx.Done():
		fmt.Fprintln(p.out)
		return "", ctx.Err()
	}
}

// readLines reads until the input ends, since a read can't be cancelled. A line that no question waited for answers the
// next question.
func (p *prompter) readLines() {
	defer close(p.lines)
	for lines := bufio.NewScanner(p.in); lines.Scan(); {
		p.lines <- strings.TrimSpace(lines.Text())
	}
}
