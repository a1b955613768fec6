package fanout

import (
	"context"
	"syscall"
	"time"
)

// How many requests are in flight where the caller leaves it open. More than the first keep no
// processor busier, only memory; they pay where servers take long to answer.
const (
	firstParallel = 512
	mostParallel  = 2048
	growEvery     = 10 * time.Millisecond
)

// carried is the most requests in flight: a part of the files that this process may open.
func carried() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return firstParallel
	}
	return int(max(1, min(mostParallel, limit.Cur/2)))
}

// grow starts more workers, beginning with number first, for as long as this process mostly waits.
func (s *sweep) grow(ctx context.Context, first int) {
	ticker := time.NewTicker(growEvery)
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

// processorTime is what this process has used of its processors; 0 where the system doesn't say.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
