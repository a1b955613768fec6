//go:build failpoints

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	mu        sync.Mutex
	operation string
	passed    = map[string]int{}
	points    = parse(os.Getenv("DKV_FAILPOINT"))
)

// point is an action at a place, and the number of the pass that triggers it; 0 for every pass.
type point struct {
	action string
	time   int
}

func parse(list string) map[string]point {
	out := map[string]point{}
	for _, entry := range strings.Split(list, ",") {
		name, action, found := strings.Cut(entry, "=")
		if !found {
			continue
		}
		action, nth, _ := strings.Cut(action, "@")
		n, _ := strconv.Atoi(nth) // 0 without one: every pass
		out[name] = point{action, n}
	}
	return out
}

// Enter sets the operation that the following places belong to.
func Enter(name string) {
	mu.Lock()
	defer mu.Unlock()
	operation = name
}

// At marks a place. It returns the disk error that the test set for it, or nil. A place with a dot in its name
// belongs to no operation.
func At(place string) error {
	mu.Lock()
	name := place
	if !strings.Contains(place, ".") {
		name = operation + "." + place
	}
	passed[name]++
	p, set := points[name]
	due := set && (p.time == 0 || p.time == passed[name])
	mu.Unlock()
	if !due {
		return nil
	}
	switch p.action {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "enospc":
		return &os.PathError{Op: "write", Path: "catalog.json", Err: syscall.ENOSPC}
	case "eio":
		return &os.PathError{Op: "sync", Path: "catalog.json", Err: syscall.EIO}
	}
	return nil
}

// Duration returns a time, which the environment can shorten.
func Duration(variable string, standard time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(variable)); err == nil && d > 0 {
		return d
	}
	return standard
}
