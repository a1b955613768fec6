package run

import (
	"context"
	"fmt"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

// ErrTimeUp says that a poll's time is over.
var ErrTimeUp = fmt.Errorf("waited long enough")

// pollInterval is how long a poll rests between two looks.
const pollInterval = 100 * time.Millisecond

// Poll looks until done, an error, the time or the run is over; what it waits for is shown meanwhile.
func (r *Run) Poll(
	c *runtime.Call, timeout time.Duration, look func() (waitingFor string, done bool, err error),
) error {
	defer r.Reporter.Progress("")
	ctx, cancel := context.WithTimeout(c.Context(), timeout)
	defer cancel()
	for {
		what, done, err := look()
		if done || err != nil {
			return err
		}
		r.Reporter.Progress(c.Name + ": " + what)
		if err := Pause(ctx, pollInterval); err != nil {
			if c.Context().Err() != nil {
				return cluster.CutOff(c.Context(), c.Name, what)
			}
			return ErrTimeUp
		}
	}
}

// Pause waits, unless ctx is done before.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Announce announces rows that a wait will add, for the width of the columns.
func (a *Action) Announce(action string, nodes []wire.Node) {
	for _, n := range nodes {
		a.shown.Managers = append(a.shown.Managers, n.Manager)
		a.shown.Operations = append(a.shown.Operations, report.Operation(action, n.Name))
	}
}

// AddWait adds a row that a wait came to.
func (a *Action) AddWait(action string, n wire.Node, began time.Time, row report.Row) {
	row.Manager, row.Instance, row.Action = n.Manager, n.Name, action
	row.Attempts, row.DurationMS = 1, time.Since(began).Milliseconds()
	a.Add(row)
}
