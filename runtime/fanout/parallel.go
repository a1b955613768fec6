package fanout

import (
	"context"
	"syscall"
	"time"
)

// Requests in flight if Options.Parallel is 0: firstParallel at first, and as many more every growInterval up to
// parallelLimit. More requests don't use the processors better and cost memory; they help if servers answer slowly.
const (
	firstParallel = 512
	parallelLimit = 2048
	growInterval  = 10 * time.Millisecond
)

// maxParallel returns the limit of requests in flight: half of the files that this process may open.
func maxParallel() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return firstParallel
	}
	return int(max(1, min(parallelLimit, limit.Cur/2)))
}

// grow starts more workers, from index first on, while this process uses less than half of a processor.
func (s *batch) grow(ctx context.Context, first int) {
	ticker := time.NewTicker(growInterval)
	defer ticker.Stop()
	cpu, at := processorTime(), time.Now()
	for first < len(s.flights) {
		select {
		case <-ticker.C:
		case <-s.drained:
			return
		case <-ctx.Done():
			return
		}
		nowCPU, now := processorTime(), time.Now()
		if busy := nowCPU - cpu; busy < now.Sub(at)/2 {
			for range min(firstParallel, len(s.flights)-first) {
				f := &s.flights[first]
				s.wg.Go(func() { s.work(ctx, f) })
				first++
			}
		}
		cpu, at = nowCPU, now
	}
}

// processorTime returns the processor time that this process has used, or 0 if the system doesn't report it.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
