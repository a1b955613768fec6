package interrupt

import (
	"io"
	"os"
	"syscall"

	"dkvrun/builtins/testkit"
	"dkvrun/cmd/dkvrun/internal/process"
)

// HoldLifeline ends the run, as SIGTERM does, when the process that started it ends. So no runbook keeps running when
// the dkvrun test that started it was killed.
func HoldLifeline(p *process.Process) {
	if p.Getenv(testkit.LifelineVariable) == "" {
		return
	}
	syscall.CloseOnExec(testkit.LifelineFD)
	lifeline := os.NewFile(testkit.LifelineFD, "lifeline")
	go func() {
		_, _ = io.Copy(io.Discard, lifeline)
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
}
