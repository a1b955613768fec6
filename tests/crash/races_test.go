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
		"expiry against commit": func(l *cluster, rng *rand.Rand) {
			stall(l, 2*time.Second+time.Duration(rng.IntN(400)-200)*time.Millisecond)
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
func both(l *cluster, rng *rand.Rand, one, two string) (a, b *runner) {
	l.t.Helper()
	a = l.run(one)
	later := time.NewTimer(time.Duration(rng.IntN(60)) * time.Millisecond)
	<-later.C
	b = l.run(two)
	<-a.done
	<-b.done
	return a, b
}

func sameStore(l *cluster, rng *rand.Rand) {
	c := l.change("create")
	a, b := both(l, rng, c.script(), c.script())
	if a.status() != 0 && b.status() != 0 {
		l.t.Errorf("neither is done:\n%s\n%s", a.out, b.out)
	}
	l.verify(c, outcomeCommitted, nil)
}

func anotherTopology(l *cluster, rng *rand.Rand) {
	c := l.change("create")
	other := c
	other.port += 100
	a, b := both(l, rng, c.script(), other.script())
	if (a.status() == 0) == (b.status() == 0) {
		l.t.Errorf("one has to win, the other to be told: %d and %d\n%s\n%s", a.status(), b.status(), a.out, b.out)
	}
	if a.status() != 0 {
		c = other
	}
	l.verify(c, outcomeCommitted, nil)
}

func overlappingPorts(l *cluster, rng *rand.Rand) {
	c := l.change("create")
	other := c
	other.store += "b"
	a, b := both(l, rng, c.script(), other.script())
	if a.status() == 0 && b.status() == 0 {
		l.t.Errorf("both have the ports:\n%s\n%s", a.out, b.out)
	}
	for _, x := range []struct {
		change
		r *runner
	}{{c, a}, {other, b}} {
		if got := l.mustAgree(x.change, resolveWithin); (got == outcomeCommitted) != (x.r.status() == 0) {
			l.t.Errorf("%s is %s, its runner ended with %d:\n%s", x.store, got, x.r.status(), x.r.out)
		}
	}
}

func widenAgainstRemove(l *cluster, rng *rand.Rand) {
	c := l.change("add")
	l.begin(c)
	gone := c
	gone.kind = "remove"
	_, b := both(l, rng, c.script(), gone.script())
	got := l.mustAgree(gone, resolveWithin)
	if b.status() == 0 && got != outcomeCommitted {
		l.t.Errorf("the store was removed and is there:\n%s", b.out)
	}
}

// repairAgainstRunner calls repair_store while a runner changes the store. The repair must wait, and must not abort an
// operation whose lease is renewed.
func repairAgainstRunner(l *cluster, rng *rand.Rand) {
	c := l.change("add")
	l.begin(c)
	a, b := both(l, rng, c.script(), fmt.Sprintf("repair_store(%q):check()", c.store))
	if a.status() != 0 || b.status() != 0 {
		l.t.Errorf("the runner ended with %d, the repair with %d:\n%s\n%s", a.status(), b.status(), a.out, b.out)
	}
	l.verify(c, outcomeCommitted, a)
}

// stall suspends a runner for some time once all managers have voted.
func stall(l *cluster, still time.Duration) {
	c := l.change("create")
	var r *runner
	var stopped atomic.Bool
	ready := make(chan struct{})
	l.network.set(func(m message) verdict {
		<-ready
		if m.verb == prepare && m.answer && m.manager == 2 && stopped.CompareAndSwap(false, true) {
			r.stop()
			time.AfterFunc(still, r.wake)
		}
		return pass
	})
	r = l.run(c.script())
	close(ready)
	<-r.done
	got := l.mustAgree(c, resolveWithin)
	if (got == outcomeCommitted) != (r.status() == 0) {
		l.t.Errorf("it is %s, the runner ended with %d:\n%s", got, r.status(), r.out)
	}
	l.verify(c, eitherOutcome, r)
}

// wakes suspends a runner in the middle of a change, lets a second one change the store, and then resumes the first.
func wakes(l *cluster, rng *rand.Rand) {
	c := l.change("create")
	other := c
	other.port += 100
	at := point{rng.IntN(3), prepare, true}
	var first *runner
	var stopped atomic.Bool
	ready := make(chan struct{})
	l.network.set(func(m message) verdict {
		<-ready
		if (point{m.manager, m.verb, m.answer}) == at && stopped.CompareAndSwap(false, true) {
			first.stop()
		}
		return pass
	})
	first = l.run(c.script())
	close(ready)
	eventually(l.t, "the first runner stands still", patience, stopped.Load)
	second := l.run(patient(other.script()))
	if second.status() != 0 {
		l.t.Errorf("the second runner:\n%s", second.out)
	}
	first.wake()
	if first.status() == 0 {
		l.t.Errorf("the first runner says that it is done:\n%s", first.out)
	}
	l.verify(other, outcomeCommitted, second)
}
