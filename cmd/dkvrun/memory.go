package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// errMemory is why a run ends that takes more than --max-memory.
var errMemory = errors.New("--max-memory")

// maxMemoryMiB is the most that --max-memory can be.
const maxMemoryMiB = 1 << 20

// memoryLook is how often the use of memory is looked at.
const memoryLook = 20 * time.Millisecond

// limitMemory gives a context that is cancelled with errMemory once what is in use takes more than so
// many MiB. A run that takes twice as much all the same is ended at once, before the system has to.
// Nothing is taken back at the end: the process ends with its run.
func limitMemory(ctx context.Context, mib int, leave leaving) context.Context {
	limit := uint64(mib) << 20
	debug.SetMemoryLimit(int64(limit)) // garbage goes before a run does
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		use := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
		for range time.Tick(memoryLook) {
			metrics.Read(use)
			live, all := use[0].Value.Uint64(), use[1].Value.Uint64()
			switch {
			case all > 2*limit:
				leave.now(statusFailed, fmt.Sprintf("ended at once: --max-memory %d MiB passed", mib))
			case live > limit:
				cancel(errMemory)
			}
		}
	}()
	return ctx
}
