package supervisor

import (
	"testing"

	"dkvrun/runtime/wire"
)

// For every combination of observations, including those that can't occur together, only a running instance is ready.
func TestStatus_OnlyRunningIsReady(t *testing.T) {
	ready := map[wire.Status]bool{}
	seen := map[wire.Status]bool{}
	for bits := range 1 << 7 {
		bit := func(i int) bool { return bits>>i&1 == 1 }
		for _, desired := range []desiredKind{desireGone, desireLeave, desireStop, desireRun} {
			o := observation{desired: desired, process: bit(0), stopping: bit(1), failing: bit(2), lost: bit(3), joining: bit(4),
				up: bit(5), serves: bit(6)}
			status, is := o.status()
			seen[status] = true
			if is {
				ready[status] = true
			}
			if is && (!o.serves || !o.process) {
				t.Errorf("%+v is ready", o)
			}
			if status == wire.Stopped && o.process && o.up {
				t.Errorf("%+v is Stopped", o)
			}
		}
	}
	for _, status := range wire.Statuses {
		if want := status != wire.Unknown; seen[status] != want {
			t.Errorf("%s is derived: %v, want %v", status, seen[status], want)
		}
		if want := status == wire.Running; ready[status] != want {
			t.Errorf("%s can be ready: %v, want %v", status, ready[status], want)
		}
	}
}

func TestStatus_Derived(t *testing.T) {
	run := observation{desired: desireRun, process: true, up: true, serves: true}
	change := func(f func(*observation)) observation {
		o := run
		f(&o)
		return o
	}
	for _, c := range []struct {
		name  string
		seen  observation
		want  wire.Status
		ready bool
	}{
		{"runs", run, wire.Running, true},
		{"runs without a majority", change(func(o *observation) { o.serves = false }), wire.Running, false},
		{"has just come up", change(func(o *observation) { o.up, o.serves = false, false }), wire.Starting, false},
		{"serves before the worker has seen it", change(func(o *observation) { o.up = false }), wire.Running, true},
		{"has its vote before the worker has recorded it", change(func(o *observation) { o.joining = true }), wire.Joining, false},
		{"was told to stop and serves still", change(func(o *observation) { o.stopping = true }), wire.Stopping, false},
		{"is to be stopped", change(func(o *observation) { o.desired = desireStop }), wire.Stopping, false},
		{"leaves and serves still", change(func(o *observation) { o.desired = desireLeave }), wire.Leaving, false},
		{"has recovered from failures", change(func(o *observation) { o.failing = true }), wire.Running, true},
		{"keeps failing", change(func(o *observation) { o.failing, o.serves = true, false }), wire.CrashLooping, false},
		{"waits to join", observation{desired: desireRun, joining: true}, wire.Joining, false},
		{"was never started", observation{desired: desireStop}, wire.Stopped, false},
		{"has lost the only data", observation{desired: desireRun, lost: true}, wire.Stopped, false},
		{"has lost its process", observation{desired: desireRun}, wire.Starting, false},
	} {
		if status, ready := c.seen.status(); status != c.want || ready != c.ready {
			t.Errorf("an instance that %s: %s, ready %v, want %s, %v", c.name, status, ready, c.want, c.ready)
		}
	}
}
