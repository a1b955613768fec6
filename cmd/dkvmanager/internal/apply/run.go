package apply

import (
	"context"
	"time"
)

// Run resolves what is pending every so often, until ctx is done; failed hears of homes that gave no
// answer, once until it is another one.
func (m *Machine) Run(ctx context.Context, every time.Duration, failed func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := ""
	for {
		said := ""
		if err := m.Resolve(ctx); err != nil && ctx.Err() == nil {
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
