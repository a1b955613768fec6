package runtime

import "fmt"

// Error is what a script ends with, or catches, when something was misused or failed.
type Error struct {
	// Message is one line without position.
	Message string
	// Hint says what to do, where there is something to say.
	Hint string
	// File and Line are the script's place; Line 0 where there is none.
	File string
	Line int
	// Traceback is Lua's, for --trace.
	Traceback string
	// Code is a stable word for programs: usage, refused, timeout, … or empty.
	Code string
	// Cause is the Go error behind it, or nil.
	Cause error

	// raised is the Lua value that a script raised, where that wasn't an *Error.
	raised any
}

// Error is the short form: file:line: message.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

func (e *Error) Unwrap() error { return e.Cause }

// ExitStatus returns the exit status of a program whose run ended with the error: 2 where the script, or what it was
// started with, can't be used, otherwise 1.
func (e *Error) ExitStatus() int {
	if e.Code == CodeSource || e.Code == CodeUsageArgs {
		return 2
	}
	return 1
}

// Because is the same error with a message of more words.
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

// The codes that the host itself gives; builtins add their own.
const (
	CodeUsage     = "usage"      // a builtin was misused
	CodeUsageArgs = "usage_args" // the script was started with arguments that it doesn't take
	CodeSource    = "source"     // a script or module can't be read, is too large or doesn't compile
	CodeCancelled = "cancelled"  // the run's context was cancelled
	codeTimeout   = "timeout"    // the run's context passed its deadline
	CodeBug       = "bug"        // Go code panicked
)
