// Package process is what the program has of the system.
package process

import (
	"os"

	"golang.org/x/term"
)

// Process is what the program has of the system, in one place.
type Process struct {
	Name           string // what the program was called by
	Args           []string
	Stdin          *os.File
	Stdout, Stderr *os.File
	Getenv         func(string) string
	Executable     string
	Exit           func(status int) // ends the process at once
}

func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// width is a terminal's number of columns, 0 where there is none.
func Width(f *os.File) int {
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}
