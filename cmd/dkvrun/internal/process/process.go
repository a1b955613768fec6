// Package process holds what the program gets from the operating system: its arguments, streams and environment.
package process

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Process is the running program.
type Process struct {
	Name           string // the name that the program was called by
	Args           []string
	Stdin          *os.File
	Stdout, Stderr *os.File
	Getenv         func(string) string
	Executable     string
	Exit           func(status int) // ends the process at once, without deferred calls
}

// Print writes text to standard output.
func (p *Process) Print(text string) error {
	if _, err := io.WriteString(p.Stdout, text); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// Colored reports whether to write colour to standard output, if choice is the value of --color.
func (p *Process) Colored(choice string) bool {
	if choice != "auto" {
		return choice == "always"
	}
	return IsTerminal(p.Stdout) && p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb"
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Width returns the number of columns of a terminal, or 0 if f is not a terminal.
func Width(f *os.File) int {
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}
