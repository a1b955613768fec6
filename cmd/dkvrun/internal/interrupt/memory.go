package interrupt

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"dkvrun/cmd/dkvrun/internal/exit"
)

// MaxMemoryMiB is the most that --max-memory can be.
const MaxMemoryMiB = 1 << 20

// memoryLook is how often the use of memory is looked at.
const memoryLook = 20 * time.Millisecond

// LimitMemory gives a context that is cancelled once what is in use takes more than so
// many MiB. A run that takes twice as much all the same is ended at once, before the system has to.
// Nothing is taken back at the end: the process ends with its run.
func LimitMemory(ctx context.Context, mib int, force ForceExit) context.Context {
	limit := uint64(mib) << 20
	passed := fmt.Sprintf("--max-memory %d MiB passed", mib)
	ctx, cancel := context.WithCancelCause(ctx)
	time.AfterFunc(memoryLook, func() { // most runs have ended by then
		debug.SetMemoryLimit(int64(limit)) // garbage goes before a run does
		var use runtime.MemStats           // runtime/metrics would cost a thirtieth of a start
		over := uint32(0)                  // collections at the look that first found too much; 0 for none
		for range time.Tick(memoryLook) {
			runtime.ReadMemStats(&use)
			switch {
			case use.HeapAlloc > 2*limit:
				force.Now(&exit.Error{Status: exit.Failed, Message: "ended at once: " + passed})
			case use.HeapAlloc <= limit:
				over = 0
			case over == 0:
				over = use.NumGC + 1
			case use.NumGC >= over: // it wasn't garbage
				cancel(&exit.Error{Status: exit.Failed, Message: "stopped: " + passed})
			}
		}
	})
	return ctx
}
