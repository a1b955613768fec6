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

// ErrTimeUp is the error of a Poll whose timeout has passed.
var ErrTimeUp = fmt.Errorf("waited long enough")

// pollInterval is the time between two queries of a poll.
const pollInterval = 100 * time.Millisecond

// Poll calls look until look reports that it is done or returns an error, the timeout passes, or the run ends. The text
// that look returns is shown as progress.
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

// Pause waits for d. It returns the error of ctx if ctx is done earlier.
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

// Announce adds the names that the rows of a later wait will have, for the width of the columns.
func (a *Action) Announce(action string, nodes []wire.Node) {
	for _, n := range nodes {
		a.shown.Managers = append(a.shown.Managers, n.Manager)
		a.shown.Operations = append(a.shown.Operations, report.Operation(action, n.Name))
	}
}

// AddWait adds the row of a wait.
func (a *Action) AddWait(action string, n wire.Node, began time.Time, row report.Row) {
	row.Manager, row.Instance, row.Action = n.Manager, n.Name, action
	row.Attempts, row.DurationMS = 1, time.Since(began).Milliseconds()
	a.Add(row)
}
