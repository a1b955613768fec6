// Command bench measures the project's performance targets on this machine: times, as ratios to minimal programs that
// run alternately, or in seconds, and memory. It runs the built programs in bin/ as a user does, and uses fake managers
// on loopback addresses for large numbers of managers.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "`folder` with dkvrun and dkvmanager")
	flag.StringVar(&o.out, "out", "", "`file` for the figures as JSON")
	flag.StringVar(&o.compare, "compare", "", "`file` of an earlier run, to set beside this one")
	flag.StringVar(&o.only, "only", "", "measure the parts whose names match this `pattern`")
	flag.Parse()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct{ bin, out, compare, only string }

// parts are the measurements, in this order.
var parts = []struct {
	name    string
	measure func(context.Context, *programs, *report) error
}{
	{"startup", startUp}, {"sweeps", sweeps}, {"secured", secured}, {"faults", faulty}, {"shared", shared}, {"conversion", conversion}, {"encoding", encoding},
	{"tasks", tasks}, {"suites", suites}, {"lua", luaRepairs},
	{"store", store}, {"demo", demo},
}

// run does all measurements and prints each figure when it is known. It returns an error only if a measurement fails; a
// missed target is not an error.
func run(ctx context.Context, o options, w io.Writer) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	dkvrun, err := filepath.Abs(filepath.Join(o.bin, "dkvrun"))
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "dkvrun-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	p, err := build(ctx, dkvrun, folder)
	if err != nil {
		return err
	}
	r := report{w: w}
	for _, part := range parts {
		if !only.MatchString(part.name) {
			continue
		}
		if err := part.measure(ctx, p, &r); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	fmt.Fprintf(w, "\n%d of the targets are missed\n", r.missed())
	if o.compare != "" {
		if err := r.compare(o.compare); err != nil {
			return err
		}
	}
	if o.out == "" {
		return nil
	}
	return r.write(o.out)
}
