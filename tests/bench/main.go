// Command bench measures what the project promises, on the machine where it runs: times against a
// bare program that runs beside them, or against the clock where the promise is in seconds, and
// memory at rest. It runs the built programs in bin/ as a user would.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	bin := flag.String("bin", "bin", "`folder` with dkvrun and dkvmanager")
	out := flag.String("out", "", "`file` for the figures as JSON")
	flag.Parse()
	err := run(ctx, *bin, *out, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures everything and prints each figure as it is known. It fails only where something could
// not be measured: a target that is missed is a result.
func run(ctx context.Context, bin, out string, w io.Writer) error {
	dkvrun, err := filepath.Abs(filepath.Join(bin, "dkvrun"))
	if err != nil {
		return err
	}
	r := report{w: w}
	for _, measure := range []func(context.Context, string, *report) error{startUp, store, demo} {
		if err := measure(ctx, dkvrun, &r); err != nil {
			return err
		}
	}
	if out == "" {
		return nil
	}
	return r.write(out)
}
