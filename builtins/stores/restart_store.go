package stores

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

var RestartStore = runtime.Builtin{
	Name: "restart_store", Group: "Actions", Positional: 1,
	Doc: "Restarts the instances of a running store one after the other, while the store takes reads and writes: first the data instances, the leader last of them, then the gateways. " +
		"The manager of each instance restarts it only while all other instances are ready and the data instances have a majority without it, so never more than one is down, however many such calls are made at once. " +
		"The call waits until the instance is ready again before it restarts the next one, and stops at the first that fails. " +
		"With `rolling = false` it restarts all instances without these conditions, and returns when the new processes have been started.",
	Params: params.Join([]runtime.Param{
		params.Name,
		{Name: "rolling", Type: runtime.Boolean, Default: true, Doc: "one after the other; with `false` all, and writes stand still meanwhile"},
		{Name: "skip_down", Type: runtime.Boolean, Default: false,
			Doc: "leave instances that are not ready as they are, and restart the others; by default the call is refused if any is not ready"},
	}, restartTimeout(params.Execution(120))),
	Returns:    "results: one RestartInstance row per instance, in the order of their restarts",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders", instance_count = 2}:check()
start_store{"OrdersStore", parallel = true}:check()
wait_ready("OrdersStore")
restart_store{"OrdersStore", rolling = true}:check()`,
	Impl: restartStore,
}

// restartTimeout changes the description of timeout_sec.
func restartTimeout(all []runtime.Param) []runtime.Param {
	for i := range all {
		if all[i].Name == "timeout_sec" {
			all[i].Doc = "seconds for each instance, until it is ready again; with `rolling = false` for the answer of each manager"
		}
	}
	return all
}

func restartStore(c *runtime.Call) (any, error) {
	if !c.Bool("rolling") {
		if c.Bool("skip_down") {
			return nil, c.Misuse("skip_down", "can't be combined with rolling = false, which restarts all instances")
		}
		return run.ChangeInstances(c, false, run.Restart)
	}
	for _, param := range []string{"parallel", "fail_fast"} {
		if c.Given(param) {
			return nil, c.Misuse(param, "can't be combined with rolling = true, which restarts one instance after the other and stops at the first failure")
		}
	}
	return restartRolling(c, nil)
}

// restartRolling restarts the instances of a store, or only those that are named, one after the other.
func restartRolling(c *runtime.Call, only []string) (any, error) {
	r := run.Of(c)
	if err := r.MayAct(c); err != nil {
		return nil, err
	}
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, err
	}
	if v.Latest == nil {
		return nil, r.NotFound(c, v)
	}
	if err := v.Inconsistent(c.Name); err != nil {
		return nil, err
	}
	roll, err := newRolling(c, v, only)
	if err != nil {
		return nil, err
	}
	if roll.a, err = r.Begin(c, "instances"); err != nil {
		return nil, err
	}
	roll.a.NoteDifferences(v)
	roll.a.OnRetry(func(again *runtime.Call) (any, error) { return restartRolling(again, roll.failed) })
	if err := roll.run(); err != nil {
		return nil, err
	}
	return roll.a.End()
}

// rolling is a rolling restart.
type rolling struct {
	a *run.Action
	c *runtime.Call
	// left are the instances that are still to be restarted, out of total.
	left  []cluster.Instance
	total int
	// out has the rows of the instances that are left as they are, and without their names.
	out     []*run.Request
	without []string
	// failed names the instances that were to be restarted and were not, or are not ready again.
	failed []string
}

// newRolling returns the rolling restart of a store, before anything is done. It returns an error if an instance is
// down that the call does not accept as such, or the store has no majority without one of its data instances.
func newRolling(c *runtime.Call, v *cluster.View, only []string) (*rolling, error) {
	roll := &rolling{c: c}
	skip := c.Bool("skip_down")
	accepted := run.Of(c).AcceptsSilence(c, v.Unanswered())
	var down []string // that the call does not accept
	data, ready := 0, 0
	for _, in := range v.Instances {
		if in.Role == wire.Data {
			data++
			if in.Ready {
				ready++
			}
		}
		named := only == nil || slices.Contains(only, in.Name)
		again := only != nil && in.Owner != nil && in.Desired == wire.DesiredRunning // the one that failed
		switch {
		case named && (in.Ready || again):
			roll.left = append(roll.left, in)
		case in.Ready:
		case accepted && !skip && v.SilentOwner(in) != nil:
			roll.without = append(roll.without, in.Name)
			if named {
				roll.out = append(roll.out, run.Unowned(v, in, run.Restart))
				roll.failed = append(roll.failed, in.Name)
			}
		default:
			down = append(down, v.NotReady(in.Name)...)
			if skip {
				roll.without = append(roll.without, in.Name)
				roll.out = append(roll.out, leftDown(v, in))
			}
		}
	}
	roll.total = len(roll.left)
	switch need := data/2 + 1; {
	case len(roll.left) == 0 && only == nil:
		err := c.Errorf(wire.CodeStoreNotReady, "restart_store: no instance of %s is ready: %s; nothing was restarted", v.Name, text.Few(v.NotReady("")))
		err.Hint = fmt.Sprintf("start_store(%q) starts what is stopped", v.Name)
		return nil, err
	case len(down) > 0 && !skip:
		err := c.Errorf(wire.CodeStoreNotReady, "restart_store: %s has instances that are not ready: %s; nothing was restarted", v.Name, text.Few(down))
		err.Hint = "bring them up first, or pass skip_down = true, which leaves them as they are and restarts the others"
		return nil, err
	case ready-1 < need && slices.ContainsFunc(roll.left, readyData):
		err := c.Errorf(wire.CodeQuorumLoss, "restart_store: %d of %d data instances of %s are ready, and writes need %d: none can be restarted without a pause; nothing was restarted",
			ready, data, v.Name, need)
		err.Hint = "rolling = false restarts all, and writes stand still meanwhile"
		return nil, err
	}
	return roll, nil
}

// leftDown returns the row of an instance that is left as it is.
func leftDown(v *cluster.View, in cluster.Instance) *run.Request {
	row := report.Row{Result: report.Skipped, Success: true, Code: fanout.Skipped}
	row.Message = "left as it is: " + text.Few(v.NotReady(in.Name))
	if in.Owner == nil {
		return run.Unowned(v, in, run.Restart).As(row)
	}
	return run.Known(in.Owner.Endpoint, run.Restart.Action, in.Name, row)
}

func readyData(in cluster.Instance) bool { return in.Role == wire.Data && in.Ready }

// run restarts the instances and adds their rows.
func (w *rolling) run() error {
	planning := w.a.Run.Planning(w.c)
	for _, in := range w.left {
		w.a.Announce(run.Restart.Action, []wire.Node{owned(in)})
	}
	w.a.Do(w.out) // begins the table, also without rows
	defer w.a.Run.Reporter.Progress("")
	ctx, cancel := params.Bounded(w.c)
	defer cancel()
	for len(w.left) > 0 {
		in := w.next()
		if planning {
			w.a.Do([]*run.Request{w.request(in)})
			continue
		}
		began := time.Now()
		row := w.restart(ctx, in)
		w.a.AddWait(run.Restart.Action, owned(in), began, row)
		if !row.Success {
			w.failed = append(w.failed, in.Name)
			w.skipRest(ctx, in)
		}
	}
	return nil
}

// owned returns the node of an instance with the manager that owns it.
func owned(in cluster.Instance) wire.Node {
	n := in.Node
	n.Manager = in.Owner.Endpoint.String()
	return n
}

// next takes the next instance: data instances before gateways, so that the instances that hold the data run before
// applications lose their connections to a gateway, and the leader after the other data instances, so that the
// leadership moves once.
func (w *rolling) next() cluster.Instance {
	rank := func(in cluster.Instance) int {
		switch {
		case in.Role != wire.Data:
			return 2
		case in.Leader:
			return 1
		}
		return 0
	}
	first := 0
	for i, in := range w.left {
		if rank(in) < rank(w.left[first]) {
			first = i
		}
	}
	in := w.left[first]
	w.left = slices.Delete(w.left, first, first+1)
	return in
}

// request returns the request for the restart of an instance.
func (w *rolling) request(in cluster.Instance) *run.Request {
	return run.NewRequests([]cluster.Member{*in.Owner}, wire.ActionRequest{
		Action: run.Restart.Action, Store: w.c.String("name"), Instance: in.Name, Rolling: true, Without: w.without,
	})[0].To(in)
}

// restart restarts one instance and waits until it is ready. It returns its row. While the manager refuses because of
// something that passes, as another instance that is down, it asks again.
func (w *rolling) restart(ctx context.Context, in cluster.Instance) report.Row {
	limited, cancel := context.WithTimeout(ctx, w.a.Timeout)
	defer cancel()
	limit := time.Now().Add(w.a.Timeout)
	for {
		w.progress(in, "is restarted")
		row := w.a.Try(ctx, w.request(in), max(time.Until(limit), time.Millisecond))
		if row.Success {
			return w.awaitReady(limited, in, row)
		}
		if !passes(row.Code) {
			return row
		}
		w.progress(in, "waits: "+row.Message)
		// The pause is random so that two rolling restarts of the same store don't refuse each other again and again.
		if run.Pause(limited, time.Duration(250+rand.IntN(500))*time.Millisecond) != nil {
			return row
		}
	}
}

// passes reports whether the cause of a refusal can pass by itself.
func passes(code string) bool {
	return code == wire.CodeStoreNotReady || code == wire.CodeStoreBusy || code == wire.CodeQuorumLoss
}

// readyInterval is the time between two queries whether a restarted instance is ready.
const readyInterval = 100 * time.Millisecond

// awaitReady waits until a restarted instance is ready. It returns its row: the given one if it gets ready.
func (w *rolling) awaitReady(ctx context.Context, in cluster.Instance, row report.Row) report.Row {
	failed := func(code, format string, args ...any) report.Row {
		return report.Row{Result: report.Failed, Code: code, Message: fmt.Sprintf(format, args...), Changed: true}
	}
	why := "its manager does not answer"
	for {
		v, err := w.a.Run.View(w.c, w.c.String("name"))
		if err == nil && v.Latest != nil {
			now, there := v.Find(in.Name)
			switch {
			case !there:
				return failed(wire.CodeInstanceNotFound, "restarted, and then removed from the store")
			case now.Ready:
				row.StatusCode, row.Message = http.StatusOK, "Restarted"
				w.follow(v)
				return row
			case now.Desired == wire.DesiredStopped:
				return failed("stopped", "restarted, and then stopped by another client")
			case now.Status == wire.CrashLooping:
				return failed(wire.CodeStartFailed, "restarted, and it keeps ending: %s; the manager goes on starting it", now.LastError)
			}
			why = strings.Join(v.NotReady(in.Name), "")
		}
		w.progress(in, "to get ready: "+why)
		if run.Pause(ctx, readyInterval) == nil {
			continue
		}
		if w.c.Context().Err() != nil {
			row := failed(fanout.Cancelled, "restarted; the run ended before it was ready")
			row.Result = report.Cancelled
			return row
		}
		return failed("timeout", "restarted, but not ready in time: %s; the manager goes on starting it", why)
	}
}

// follow updates the instances that are left: another one may lead the store now.
func (w *rolling) follow(v *cluster.View) {
	for i := range w.left {
		if now, there := v.Find(w.left[i].Name); there && now.Owner != nil {
			w.left[i] = now
		}
	}
}

// skipRest adds the rows of the instances that are not restarted because one failed.
func (w *rolling) skipRest(ctx context.Context, failed cluster.Instance) {
	why := "the call stopped at " + failed.Name + ", which failed"
	if ctx.Err() != nil {
		why = "the call ended before it"
	}
	var rest []*run.Request
	for len(w.left) > 0 {
		in := w.next()
		w.failed = append(w.failed, in.Name)
		rest = append(rest, run.Known(in.Owner.Endpoint, run.Restart.Action, in.Name,
			report.Row{Result: report.Skipped, Code: fanout.Skipped, Message: "not restarted: " + why}))
	}
	w.a.Do(rest)
}

// progress shows what is done with an instance.
func (w *rolling) progress(in cluster.Instance, what string) {
	w.a.Run.Reporter.Progress(fmt.Sprintf("restart_store: %s (%d of %d) %s", in.Name, w.total-len(w.left), w.total, what))
}
