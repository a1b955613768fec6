package testkit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
	"dkvrun/runtime/fakemanager"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// Fake managers run in this process, so they share the limit of open files with their clients. The managers of one call
// listen on the first port from firstFakePort on that is free at all their addresses.
const (
	maxFakes      = 5000
	firstFakePort = 20001
	fakePorts     = 4000
)

var fakeManagers = runtime.Builtin{
	Name: "fake_managers", Group: "Tests", Positional: 1,
	Doc: "Starts fake managers, for tests with more managers than a machine can run: they answer queries and take part in operations as real ones do, but run no instance and keep nothing on disk. Some can be made to fail. " +
		"They end with the test or the block that started them.",
	Params: []runtime.Param{
		{Name: "count", Type: runtime.Integer, Required: true, Min: runtime.Bound(1), Max: runtime.Bound(maxFakes), Doc: "how many"},
		{Name: "delay_sec", Type: runtime.Number, Default: 0.0, Min: runtime.Bound(0), Max: runtime.Bound(3600), Doc: "the delay of each answer in seconds"},
		{Name: "faults", Type: runtime.Table, Doc: "the number of managers with each fault: `{refuse = 2, hang = 1, drip = 1, garbage = 1, reset = 1, slow = 1, stall = 1, stranger = 1}`; they are spread over the list. " +
			"`refuse`: does not listen; `hang`: never answers; `drip`: answers a byte every 50 ms and never completes the response; `garbage`: answers something that is not HTTP; `reset`: resets the connection after the request; " +
			"`slow`: answers after 1 s; `stall`: answers queries, and never requests that change something; `suspect`: answers like a manager that fell back to an older catalog; `stranger`: answers like the server of another program"},
	},
	Returns:    "`{managers, faults}`: a list of `host:port`, and the faults by manager",
	ReturnType: "fakes",
	Example: `it("finds those that fail", function()
  local fakes = fake_managers{count = 100, faults = {refuse = 3, garbage = 2}}
  local rows = get_store{managers = fakes.managers, timeout_sec = 5}
  assert.are.equal(5, #rows.unreachable)
end)`,
	Impl: startFakes,
}

var fakesType = &runtime.RecordType{Name: "fakes", Doc: "Fake managers.", Fields: []runtime.Field{
	{Name: "managers", Doc: "a list of `host:port`"},
	{Name: "faults", Doc: "the fault of each manager that has one, by manager"},
}}

func startFakes(c *runtime.Call) (any, error) {
	r := run.Of(c)
	plan := fakemanager.Plan{Count: c.Int("count"), Delay: params.Seconds(c.Float("delay_sec"))}
	var err error
	if plan.Faults, err = faultsOf(c, plan.Count); err != nil {
		return nil, err
	}
	stop := func() {}
	faults := map[string]any{}
	if err := r.Fixtures.AtEnd(func(context.Context) error {
		for manager := range faults {
			r.Fixtures.Restored(manager)
		}
		stop()
		return nil
	}); err != nil {
		return nil, err
	}
	if stop, err = serveFakes(&plan); err != nil {
		stop = func() {}
		return nil, err
	}
	started, err := fanout.ParseEndpoints(plan.Addresses(), wire.DefaultManagerPort)
	if err != nil {
		return nil, err
	}
	r.Fixtures.Servers.Started(started, nil)
	r.Reporter.Notice(fmt.Sprintf("%d fake managers from %s on", plan.Count, plan.Address(0)))
	for i := range plan.Count {
		if f := plan.Fault(i); f != "" {
			faults[plan.Address(i)] = string(f)
			r.Fixtures.Disturb(plan.Address(i), string(f))
		}
	}
	return runtime.Record{Type: fakesType, Values: map[string]any{"managers": plan.Addresses(), "faults": faults}}, nil
}

// serveFakes starts the fake managers of a plan on the first free port.
func serveFakes(plan *fakemanager.Plan) (stop func(), err error) {
	for plan.Port = firstFakePort; plan.Port < firstFakePort+fakePorts; plan.Port++ {
		if stop, err = fakemanager.Serve(*plan); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return stop, err
}

// faultsOf lists the faults of a call. The kinds alternate.
func faultsOf(c *runtime.Call, count int) ([]fakemanager.Fault, error) {
	wanted, _ := c.Value("faults").(map[string]any)
	left := map[fakemanager.Fault]int{}
	total := 0
	for name, n := range wanted {
		known := slices.Contains(fakemanager.Faults, fakemanager.Fault(name))
		each, whole := n.(int)
		switch {
		case !known:
			return nil, c.Misuse("faults", "there is no fault %s: want some of %v", name, fakemanager.Faults)
		case !whole || each < 0:
			return nil, c.Misuse("faults", "%s: want how many managers", name)
		}
		left[fakemanager.Fault(name)] = each
		total += each
	}
	if total > count {
		return nil, c.Misuse("faults", "%d faults for %d managers", total, count)
	}
	var out []fakemanager.Fault
	for len(out) < total {
		for _, f := range slices.Sorted(maps.Keys(left)) {
			if left[f] > 0 {
				left[f]--
				out = append(out, f)
			}
		}
	}
	return out, nil
}
