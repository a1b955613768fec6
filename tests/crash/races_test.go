package crash

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// races runs two runners at a time, and a runner against the end of its lease. Each race runs several times with
// different delays.
func races(t *testing.T) {
	for name, race := range map[string]func(*cluster, *rand.Rand){
		"the same store":       sameStore,
		"another topology":     anotherTopology,
		"ports that overlap":   overlappingPorts,
		"widen against remove": widenAgainstRemove,
		"expiry against commit": func(cl *cluster, rng *rand.Rand) {
			stall(cl, 2*time.Second+time.Duration(rng.IntN(400)-200)*time.Millisecond)
		},
		"a runner that wakes":   wakes,
		"repair against runner": repairAgainstRunner,
	} {
		for seed := range uint64(5) {
			t.Run(fmt.Sprintf("%s/%d", name, seed+1), func(t *testing.T) {
				t.Parallel()
				cases.Add(1)
				race(enter(t), rand.New(rand.NewPCG(seed, 1)))
			})
		}
	}
}

// both runs two scripts, the second up to 60 ms after the first, and waits for both.
func both(cl *cluster, rng *rand.Rand, one, two string) (a, b *runner) {
	cl.t.Helper()
	a = cl.run(one)
	later := time.NewTimer(time.Duration(rng.IntN(60)) * time.Millisecond)
	<-later.C
	b = cl.run(two)
	<-a.done
	<-b.done
	return a, b
}

func sameStore(cl *cluster, rng *rand.Rand) {
	c := cl.change("create")
	a, b := both(cl, rng, c.script(), c.script())
	if a.status() != 0 && b.status() != 0 {
		cl.t.Errorf("neither is done:\n%s\n%s", a.out, b.out)
	}
	cl.verify(c, outcomeCommitted, nil)
}

func anotherTopology(cl *cluster, rng *rand.Rand) {
	c := cl.change("create")
	other := c
	other.port += 100
	a, b := both(cl, rng, c.script(), other.script())
	if (a.status() == 0) == (b.status() == 0) {
		cl.t.Errorf("one has to win, the other to be told: %d and %d\n%s\n%s", a.status(), b.status(), a.out, b.out)
	}
	if a.status() != 0 {
		c = other
	}
	cl.verify(c, outcomeCommitted, nil)
}

func overlappingPorts(cl *cluster, rng *rand.Rand) {
	c := cl.change("create")
	other := c
	other.store += "b"
	a, b := both(cl, rng, c.script(), other.script())
	if a.status() == 0 && b.status() == 0 {
		cl.t.Errorf("both have the ports:\n%s\n%s", a.out, b.out)
	}
	for _, x := range []struct {
		change
		r *runner
	}{{c, a}, {other, b}} {
		if got := cl.mustAgree(x.change, resolveWithin); (got == outcomeCommitted) != (x.r.status() == 0) {
			cl.t.Errorf("%s is %s, its runner ended with %d:\n%s", x.store, got, x.r.status(), x.r.out)
		}
	}
}

func widenAgainstRemove(cl *cluster, rng *rand.Rand) {
	c := cl.change("add")
	cl.begin(c)
	gone := c
	gone.kind = "remove"
	_, b := both(cl, rng, c.script(), gone.script())
	got := cl.mustAgree(gone, resolveWithin)
	if b.status() == 0 && got != outcomeCommitted {
		cl.t.Errorf("the store was removed and is there:\n%s", b.out)
	}
}

// repairAgainstRunner calls repair_store while a runner changes the store. The repair must wait, and must not abort an
// operation whose lease is renewed.
func repairAgainstRunner(cl *cluster, rng *rand.Rand) {
	c := cl.change("add")
	cl.begin(c)
	a, b := both(cl, rng, c.script(), fmt.Sprintf("repair_store(%q):check()", c.store))
	if a.status() != 0 || b.status() != 0 {
		cl.t.Errorf("the runner ended with %d, the repair with %d:\n%s\n%s", a.status(), b.status(), a.out, b.out)
	}
	cl.verify(c, outcomeCommitted, a)
}

// stall suspends a runner for some time once all managers have voted.
func stall(cl *cluster, still time.Duration) {
	c := cl.change("create")
	var r *runner
	var stopped atomic.Bool
	ready := make(chan struct{})
	cl.network.set(func(m message) verdict {
		<-ready
		if m.verb == prepare && m.answer && m.manager == 2 && stopped.CompareAndSwap(false, true) {
			r.stop()
			time.AfterFunc(still, r.wake)
		}
		return pass
	})
	r = cl.run(c.script())
	close(ready)
	<-r.done
	got := cl.mustAgree(c, resolveWithin)
	if (got == outcomeCommitted) != (r.status() == 0) {
		cl.t.Errorf("it is %s, the runner ended with %d:\n%s", got, r.status(), r.out)
	}
	cl.verify(c, eitherOutcome, r)
}

// wakes suspends a runner in the middle of a change, lets a second one change the store, and then resumes the first.
func wakes(cl *cluster, rng *rand.Rand) {
	c := cl.change("create")
	other := c
	other.port += 100
	at := point{rng.IntN(3), prepare, true}
	var first *runner
	var stopped atomic.Bool
	ready := make(chan struct{})
	cl.network.set(func(m message) verdict {
		<-ready
		if (point{m.manager, m.verb, m.answer}) == at && stopped.CompareAndSwap(false, true) {
			first.stop()
		}
		return pass
	})
	first = cl.run(c.script())
	close(ready)
	eventually(cl.t, "the first runner stands still", patience, stopped.Load)
	second := cl.run(patient(other.script()))
	if second.status() != 0 {
		cl.t.Errorf("the second runner:\n%s", second.out)
	}
	first.wake()
	if first.status() == 0 {
		cl.t.Errorf("the first runner says that it is done:\n%s", first.out)
	}
	cl.verify(other, outcomeCommitted, second)
}
