// Package exit decides what an error means for the program: what it prints, and the status that it exits with.
//
// An error carries its exit status in a method ExitStatus, as Error, Stopped, runtime.Error and runtime.Exit do.
// The outermost error of a chain that has the method decides; without one the status is Failed.
package exit

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"dkvrun/runtime"
	"dkvrun/runtime/printable"
)

// Exit statuses, as the README lists them. A script chooses its own with exit(n).
const (
	Done        = 0
	Failed      = 1
	Usage       = 2
	Timeout     = 124
	Interrupted = 130
	NoReader    = 141 // 128 + SIGPIPE: what a shell reports for a program that this signal has ended
)

// Error is an error with an exit status.
type Error struct {
	Status  int
	Message string
	Hint    string // says what to do; may be empty
	// Silent suppresses the text on standard error: other output has told the user already.
	Silent bool
	Cause  error // may be nil
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// ExitStatus returns the status that the error was made with.
func (e *Error) ExitStatus() int { return e.Status }

// Misuse returns the error of a command line, or of a file that it names, that can't be used. The format may wrap a
// cause with %w.
func Misuse(hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Status: Usage, Message: err.Error(), Hint: hint, Cause: errors.Unwrap(err)}
}

// Reported returns an error with the status of err that prints nothing, for an err that was printed already.
func Reported(err error) error {
	return &Error{Status: Status(err), Message: err.Error(), Silent: true, Cause: err}
}

// Stopped is the error of a run that was ended before its script ended.
type Stopped struct {
	Reason  error    // decides the exit status: a signal, a limit
	Err     error    // the resulting error of the script; may be nil
	InDoubt []string // the operations whose outcome is unknown
	Made    []string // the changes that were made, if the user has not seen them
}

// Error returns the reason, and the position at which the script was stopped.
func (s *Stopped) Error() string {
	var script *runtime.Error
	if errors.As(s.Err, &script) && script.Line > 0 {
		return fmt.Sprintf("%v at %s:%d", s.Reason, script.File, script.Line)
	}
	return s.Reason.Error()
}

func (s *Stopped) Unwrap() []error { return []error{s.Reason, s.Err} }

// ExitStatus returns the status of the reason.
func (s *Stopped) ExitStatus() int { return Status(s.Reason) }

// Status returns the exit status of a program that ends with err.
func Status(err error) int {
	if err == nil {
		return Done
	}
	var carrier interface{ ExitStatus() int }
	if errors.As(err, &carrier) {
		return carrier.ExitStatus()
	}
	return Failed
}

// Report prints err, with its hint and the operations in doubt, and returns its exit status. With trace it prints
// Lua's traceback too. On a terminal the message is wrapped. It prints nothing for nil.
func Report(w io.Writer, err error, trace bool) int {
	message, traceback := text(err, trace)
	if message = printable.Text(message); isTerminal(w) {
		message = printable.Wrap(message, printable.Columns, 0, 8)
	}
	if message += printable.Text(traceback); message != "" {
		_, _ = io.WriteString(w, message)
	}
	return Status(err)
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, is := w.(*os.File)
	return is && term.IsTerminal(int(f.Fd()))
}

// text returns what Report prints: the message with what belongs to it, and Lua's traceback.
func text(err error, trace bool) (message, traceback string) {
	var (
		own     *Error
		stopped *Stopped
		chosen  *runtime.Exit
		script  *runtime.Error
		inDoubt []string
		made    []string
		hint    string
	)
	switch {
	case err == nil:
		return "", ""
	case errors.As(err, &chosen):
		if chosen.Message == "" {
			return "", ""
		}
		return "", chosen.Message + "\n" // it is the script's, and stays as it is
	case errors.As(err, &stopped):
		inDoubt, made, trace = stopped.InDoubt, stopped.Made, false
		if errors.As(stopped.Err, &script) {
			hint = script.Hint
		}
	case errors.As(err, &own):
		if own.Silent {
			return "", ""
		}
		hint = own.Hint
	case errors.As(err, &script):
		err, hint = script, script.Hint
	}
	out := "dkvrun: " + err.Error() + "\n"
	if hint != "" {
		out += "        " + hint + "\n"
	}
	for _, action := range made {
		out += "        made: " + action + "\n"
	}
	for _, operation := range inDoubt {
		out += "        in doubt: " + operation + "\n"
	}
	if trace && script != nil && script.Traceback != "" {
		traceback = script.Traceback + "\n"
	}
	return out, traceback
}

// Document returns err as the "error" of the JSON document: the message and, if they are known, file, line, code and
// hint; in_doubt is true if a change may have been made. It returns nil, which is null in JSON, if err is nil.
func Document(err error) any {
	var stopped *Stopped
	if errors.As(err, &stopped) && stopped.Err != nil {
		err = stopped.Err
	}
	var chosen *runtime.Exit
	if err == nil || errors.As(err, &chosen) && chosen.Status == Done {
		return nil
	}
	if chosen != nil && chosen.Message != "" {
		return map[string]any{"message": chosen.Message}
	}
	var script *runtime.Error
	var own *Error
	if !errors.As(err, &script) {
		document := map[string]any{"message": err.Error()}
		if errors.As(err, &own) && own.Hint != "" {
			document["hint"] = own.Hint
		}
		return document
	}
	document := map[string]any{"message": script.Message}
	if script.Line > 0 {
		document["file"], document["line"] = script.File, script.Line
	}
	if script.Code != "" {
		document["code"] = script.Code
	}
	if script.Hint != "" {
		document["hint"] = script.Hint
	}
	if script.InDoubt {
		document["in_doubt"] = true
	}
	return document
}
