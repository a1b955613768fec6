package runtime

import "fmt"

// Error is an error of a script: something was misused or failed. The script can catch it; otherwise it ends the run.
type Error struct {
	// Message is one line without a position.
	Message string
	// Hint says what to do about the error; it may be empty.
	Hint string
	// File and Line are the position in the script; Line is 0 if it is unknown.
	File string
	Line int
	// Traceback is Lua's traceback, for --trace.
	Traceback string
	// Code is a stable word for programs, such as usage, refused or timeout; it may be empty.
	Code string
	// InDoubt is true if a change was sent and not answered, so that it may have been made.
	InDoubt bool
	// Cause is the Go error that caused it, or nil.
	Cause error

	// raised is the Lua value that a script raised, unless that was an *Error.
	raised any
}

// Error returns file:line: message.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

func (e *Error) Unwrap() error { return e.Cause }

// ExitStatus returns the exit status of a program whose run ended with the error: 2 if the script or its arguments
// can't be used, otherwise 1.
func (e *Error) ExitStatus() int {
	if e.Code == CodeSource || e.Code == CodeUsageArgs {
		return 2
	}
	return 1
}

// Because returns a copy of the error with another message.
func (e *Error) Because(message string) *Error {
	more := *e
	more.Message, more.raised = message, nil
	return &more
}

// Exit ends the run with a status. Scripts can't catch it.
type Exit struct {
	Status  int
	Message string
}

func (e *Exit) Error() string { return fmt.Sprintf("exit %d", e.Status) }

// ExitStatus returns the status that the script chose.
func (e *Exit) ExitStatus() int { return e.Status }

// The codes of errors of the host. Builtins have further codes.
const (
	CodeUsage     = "usage"      // a builtin was misused
	CodeUsageArgs = "usage_args" // the script doesn't accept its arguments
	CodeSource    = "source"     // a script or module can't be read, is too large or doesn't compile
	CodeCancelled = "cancelled"  // the run's context was cancelled
	codeTimeout   = "timeout"    // the run's context passed its deadline
	CodeBug       = "bug"        // Go code panicked
)
