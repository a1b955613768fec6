package run

import (
	"fmt"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// Lifecycle is the start, the stop or the restart of an instance.
type Lifecycle struct {
	Action      string // StartInstance
	storeAction string // StartStore: the action of a row about a manager whose instances are not known
}

var (
	Start   = Lifecycle{wire.StartInstanceAction, "StartStore"}
	Stop    = Lifecycle{wire.StopInstanceAction, "StopStore"}
	Restart = Lifecycle{wire.RestartInstanceAction, "RestartStore"}
)

// ChangeInstances carries out lifecycle changes of the instances that a call names, one change after the other.
func ChangeInstances(c *runtime.Call, force bool, changes ...Lifecycle) (any, error) {
	r := Of(c)
	if err := r.MayAct(c); err != nil {
		return nil, err
	}
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, err
	}
	instance := ""
	if c.Declares("instance_name") && c.Has("instance_name") {
		instance = c.String("instance_name")
	}
	if instance != "" && v.Latest != nil {
		if _, known := v.Find(instance); !known {
			return nil, v.UnknownInstance(c.Name, instance)
		}
	}
	a, err := r.Begin(c, "instances")
	if err != nil {
		return nil, err
	}
	hint := ""
	if v.Latest == nil {
		hint = r.DidYouMean(c, v)
	} else {
		a.NoteDifferences(v)
	}
	for _, ch := range changes[1:] {
		a.announce(LifecycleRequests(v, ch, instance, force))
	}
	for _, ch := range changes {
		steps := LifecycleRequests(v, ch, instance, force)
		for _, s := range steps {
			if s.fixed != nil && s.fixed.Code == wire.CodeStoreNotFound {
				s.fixed.Hint = hint
			}
		}
		a.Do(steps)
		if !a.Results.OK() {
			break
		}
		if r.Planning(c) {
			r.PlanLifecycle(v, instance, ch)
		}
	}
	return a.End()
}

// NoteDifferences keeps in the results whether the store's managers agree, and gives a notice of differences. They stop
// nothing: each manager starts and stops the instances that its catalog has.
func (a *Action) NoteDifferences(v *cluster.View) {
	a.Results.consistent = v.Consistent()
	if notice := v.DescribeDifferences(a.Call.Name); notice != "" && looksOf(a.Call.Context()).isNews(notice) {
		a.Run.Reporter.Notice(notice)
	}
}

// LifecycleRequests returns the requests that change a store's instances, in the order of the topology, and failed rows
// for instances that can't be reached.
func LifecycleRequests(v *cluster.View, ch Lifecycle, instance string, force bool) []*Request {
	var out []*Request
	if v.Latest == nil {
		for _, s := range v.Reports {
			row := s.Row
			if row.Success {
				row = report.Row{Result: report.Failed, StatusCode: 404, Code: wire.CodeStoreNotFound, Message: "There is no store " + v.Name + " here"}
			}
			out = append(out, Known(s.Endpoint, ch.storeAction, "", row))
		}
		return out
	}
	for _, in := range v.Instances {
		if instance != "" && in.Name != instance {
			continue
		}
		if in.Owner == nil {
			out = append(out, Unowned(v, in, ch))
			continue
		}
		out = append(out, NewRequests([]cluster.Member{*in.Owner}, wire.ActionRequest{
			Action: ch.Action, Store: v.Name, Instance: in.Name, Force: ch == Stop && force,
		})[0].To(in))
	}
	return out
}

// Unowned returns the failed row for an instance whose manager did not answer or is not in the session.
func Unowned(v *cluster.View, in cluster.Instance, ch Lifecycle) *Request {
	if s := v.SilentOwner(in); s != nil {
		return Known(s.Endpoint, ch.Action, in.Name, s.Row)
	}
	at := in.Manager
	if at == "" {
		at = in.Host
	}
	endpoints, err := fanout.ParseEndpoints([]string{at}, wire.DefaultManagerPort)
	if err != nil {
		endpoints = []fanout.Endpoint{{Host: in.Host}}
	}
	return Known(endpoints[0], ch.Action, in.Name, report.Row{
		Result: report.Failed, Code: wire.CodeNotThisHost,
		Message: fmt.Sprintf("no connected manager answers for %s on %s: connect to its manager too", in.Name, in.Host),
	})
}
