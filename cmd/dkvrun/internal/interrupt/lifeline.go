package interrupt

import (
	"io"
	"os"
	"syscall"

	"dkvrun/builtins"
	"dkvrun/cmd/dkvrun/internal/process"
)

// HoldLifeline ends the run, as a signal does, when the process that has started it is gone: a suite
// whose runner was killed leaves no runbook behind.
func HoldLifeline(p *process.Process) {
	if p.Getenv(builtins.LifelineVariable) == "" {
		return
	}
	syscall.CloseOnExec(builtins.LifelineFD)
	lifeline := os.NewFile(builtins.LifelineFD, "lifeline")
	go func() {
		_, _ = io.Copy(io.Discard, lifeline)
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
}
