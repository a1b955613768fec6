package supervisor

import (
	"cmp"
	"log/slog"

	"dkvrun/cmd/dkvmanager/internal/engine/process"
)

// deathError is the end of a process that was not told to stop.
type deathError struct {
	pid    int
	reason string
}

func (e *deathError) Error() string { return "the process ended: " + e.reason }

// exitUnknown is how a process ended that is not a child of this manager.
const exitUnknown = "it was killed: it said nothing, and only the manager that started it could see its exit status"

// death returns why a process ended: what it said itself, or else its exit status. What it said is deleted, so that
// each end is told once.
func death(folder string, pid int, exit string, log *slog.Logger) *deathError {
	end, err := process.LastEnd(folder)
	if err != nil {
		log.Warn("what the process left at its end can't be read", "pid", pid, "error", err)
	}
	if end == nil || end.PID != pid {
		return &deathError{pid, exit}
	}
	if err := process.ForgetEnd(folder); err != nil {
		log.Warn("what the process left at its end can't be deleted", "pid", pid, "error", err)
	}
	return &deathError{pid, cmp.Or(end.Reason, exit)}
}
