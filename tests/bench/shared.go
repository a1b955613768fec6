package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"dkvrun/runtime/fakemanager"
)

// shared measures what giving one body to 10,000 managers holds in memory, for a small and a large one.
func shared(ctx context.Context, p *programs, r *report) (err error) {
	plan := fakemanager.Plan{Count: 10000}
	f, err := fakemanager.Start(ctx, p.managers, plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	folder, err := os.MkdirTemp("", "dkvrun-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	list, err := writeList(folder, plan.Addresses())
	if err != nil {
		return err
	}
	for _, size := range []int{2 << 10, 1 << 20} {
		u, err := measure(ctx, list, p.share, strconv.Itoa(size))
		if err != nil {
			return err
		}
		if u.said != strconv.Itoa(plan.Count) {
			return fmt.Errorf("a body of %d bytes was read by %q of %d managers", size, u.said, plan.Count)
		}
		r.add(fmt.Sprintf("a body of %d KB for 10000 managers, peak memory", size>>10), "MB", []float64{u.peak}, peakTarget)
	}
	return nil
}
