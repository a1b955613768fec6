package twophase

import (
	"context"
	"sync"
	"time"
)

// reconcileEvery is how many rounds lie between two comparisons with the other managers.
const reconcileEvery = 12

// Run resolves what is pending every so often, and compares its stores with the other managers' at once
// and every twelfth time, until ctx is done. Neither waits for the other: a comparison takes long where many
// managers are silent. Failed hears of those, once until they are others; it may be called by both at a time.
func (m *Participant) Run(ctx context.Context, every time.Duration, failed func(error)) {
	var both sync.WaitGroup
	both.Go(func() { repeat(ctx, every, m.Resolve, failed) })
	both.Go(func() { repeat(ctx, reconcileEvery*every, m.Reconcile, failed) })
	both.Wait()
}

// repeat does something at once and every so often, until ctx is done.
func repeat(ctx context.Context, every time.Duration, do func(context.Context) error, failed func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := ""
	for {
		err := do(ctx)
		if ctx.Err() != nil {
			return
		}
		said := ""
		if err != nil {
			if said = err.Error(); said != last {
				failed(err)
			}
		}
		last = said
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
