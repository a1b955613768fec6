package interrupt

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"dkvrun/cmd/dkvrun/internal/exit"
)

// LimitTime returns a context that is cancelled after limit, for --timeout.
func LimitTime(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	passed := &exit.Error{Status: exit.Timeout, Message: fmt.Sprintf("stopped: --timeout %s passed", limit)}
	return context.WithTimeoutCause(ctx, limit, passed)
}

// MaxMemoryMiB is the largest value of --max-memory, DefaultMemoryMiB the one where none is given.
const (
	MaxMemoryMiB     = 1 << 20
	DefaultMemoryMiB = 1024
)

// memoryInterval is the time between two measurements of the memory in use, shortInterval that for small limits, which
// a script can exceed in less time.
const (
	memoryInterval = 20 * time.Millisecond
	shortInterval  = 5 * time.Millisecond
	smallMiB       = 256
)

// LimitMemory returns a context that is cancelled when heap and stacks exceed mib MiB, for --max-memory. When they
// then grow beyond 1.4 times as much, or at any time exceed twice as much, force ends the process, before the
// operating system has to. The measurements never stop: the process ends with its run.
func LimitMemory(ctx context.Context, mib int, force ForceExit) context.Context {
	limit := uint64(mib) << 20
	most := limit * 7 / 5 // functions of at_exit may use some more
	interval := memoryInterval
	if mib <= smallMiB {
		interval = shortInterval
	}
	passed := fmt.Sprintf("--max-memory %d MiB passed", mib)
	ctx, cancel := context.WithCancelCause(ctx)
	time.AfterFunc(memoryInterval, func() { // delayed, because most runs end before the first measurement
		debug.SetMemoryLimit(int64(limit)) // has garbage collected before the limit is reached
		var use runtime.MemStats           // runtime/metrics would make a start 3 % slower
		over := uint32(0)                  // the collection to wait for since the limit was exceeded; 0 for none
		for range time.Tick(interval) {
			runtime.ReadMemStats(&use)
			switch used := use.HeapAlloc + use.StackInuse; { // tasks with nested calls take more stack than heap
			case used > 2*limit, ctx.Err() != nil && used > most:
				force.Now(&exit.Error{Status: exit.Failed, Message: "ended at once: " + passed})
			case used <= limit:
				over = 0
			case over == 0:
				over = use.NumGC + 1
			case use.NumGC >= over: // it wasn't garbage
				if ctx.Err() == nil {
					most = max(most, used+limit/10)
				}
				cancel(&exit.Error{Status: exit.Failed, Message: "stopped: " + passed})
			}
		}
	})
	return ctx
}
