package supervisor

import (
	"cmp"
	"time"

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
func (w *worker) death(pid int, exit string) *deathError {
	end, err := process.LastEnd(w.dir)
	if err != nil {
		w.log.Warn("what the process left at its end can't be read", "pid", pid, "error", err)
	}
	if end == nil || end.PID != pid {
		return &deathError{pid, exit}
	}
	if err := process.ForgetEnd(w.dir); err != nil {
		w.log.Warn("what the process left at its end can't be deleted", "pid", pid, "error", err)
	}
	return &deathError{pid, cmp.Or(end.Reason, exit)}
}

// tellEarlierDeath logs the end of a process that ended while no manager watched it. If it had not been stopped, its
// next start is a restart.
func (w *worker) tellEarlierDeath() {
	end, err := process.LastEnd(w.dir)
	if err != nil || end == nil {
		return // another end in this folder will tell why it can't be read
	}
	if pid, err := process.Holder(w.dir); err != nil || pid != 0 {
		return // it runs
	}
	exit := exitUnknown
	if !end.SameBoot {
		exit = "the machine was restarted"
	}
	w.crashed = end.SameBoot && !end.Stopped
	died := w.death(end.PID, exit)
	w.log.Warn("the process ended while no manager was running", "pid", died.pid, "reason", died.reason)
}

// ended records the end of a process: a failure, unless it was told to stop or need not run.
func (w *worker) ended(last *handle, ran time.Duration, told bool, want desiredState) {
	died := w.death(last.pid, last.exit)
	about := []any{"pid", died.pid, "reason", died.reason, "ran", ran.Round(time.Millisecond)}
	switch {
	case told:
		w.log.Info("the process was stopped", about...)
	case want.kind != desireRun && want.kind != desireLeave:
		w.log.Info("the process ended", about...)
	default:
		w.log.Warn("the process ended", about...)
		if ran >= resetBackoffAfter {
			w.deaths = 0
		}
		w.crashed = true
		w.recordFailure(died)
	}
}
