package apply

import (
	"context"
	"errors"
	"time"
)

// tendEvery is how many rounds lie between two comparisons with the other managers.
const tendEvery = 12

// Run resolves what is pending every so often, and compares its stores with the other managers' at once
// and every twelfth time, until ctx is done. Failed hears of managers that gave no answer, once until it
// is another one.
func (m *Machine) Run(ctx context.Context, every time.Duration, failed func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := ""
	for round := 0; ; round++ {
		err := m.Resolve(ctx)
		if round%tendEvery == 0 {
			err = errors.Join(err, m.Tend(ctx))
		}
		said := ""
		if err != nil && ctx.Err() == nil {
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
