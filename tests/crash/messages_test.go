package crash

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// messageRows: each message of the protocol is lost, late, doubled or broken off, at the coordinator and at
// another manager.
func messageRows(t *testing.T) {
	kinds := []string{preflight, prepare, commit, abort, state, renew}
	faults := []struct {
		name    string
		verdict verdict
		answer  bool
	}{
		{"lost", drop, false},
		{"answer lost", drop, true},
		{"late", late, false},
		{"answer late", late, true},
		{"doubled", twice, false},
		{"again", again, false},
		{"reset inside the body", half, true},
	}
	for _, verb := range kinds {
		for who, name := range []string{"coordinator", "other"} {
			if who != 0 && (verb == state || verb == renew) {
				continue // only the coordinator is asked
			}
			for _, f := range faults {
				t.Run(fmt.Sprintf("%s/%s/%s", verb, name, f.name), func(t *testing.T) {
					t.Parallel()
					cases.Add(1)
					disturb(enterFor(t, verb), verb, who, f.verdict, f.answer)
				})
			}
		}
	}
}

// enterFor gives a case about renewals managers that keep the real times: a runner renews every 5 s.
func enterFor(t *testing.T, verb string) *cluster {
	if verb == renew {
		return enter(t, realTimes...)
	}
	return enter(t)
}

// disturb does something to the first message of a kind to a manager, and to no other.
func disturb(l *cluster, verb string, who int, what verdict, answer bool) {
	c := l.change("create")
	var reached atomic.Bool
	var r *runner
	ready := make(chan struct{})
	l.network.set(func(m message) verdict {
		<-ready
		switch {
		case verb == abort && m.verb == prepare && m.manager == 2:
			return drop // the vote that is missing makes the runner abort
		case verb == state && m.verb == commit && m.manager != 0:
			if !m.answer && m.manager == 1 {
				r.kill() // the others have to ask the coordinator
			}
			return drop
		case verb == renew && m.verb == prepare && m.manager == 1 && m.answer:
			return slow // until the runner has renewed
		case m.verb == verb && m.manager == who && m.answer == answer && m.nth == 1:
			reached.Store(true)
			return what
		}
		return pass
	})
	script := c.script()
	if verb == renew {
		script = patient(script)
	}
	r = l.run(script)
	close(ready)
	<-r.done
	if eventually(l.t, verb+" passes", resolveWithin, reached.Load); verb == renew && r.status() != 0 {
		l.t.Errorf("one renewal was disturbed, and the runner ends with %d:\n%s", r.status(), r.out)
	}
	l.verify(c, wantedAfter(verb, what), r)
	l.network.behind.Wait()
	l.verify(c, outcomeCommitted, nil) // what came late has changed nothing
}

// wantedAfter is how a change ends one message of which was disturbed. A runner that has no answer to a
// question gives up; the one that decides it repeats.
func wantedAfter(verb string, what verdict) outcome {
	switch {
	case verb == abort:
		return outcomeAborted
	case what != twice && what != again && (verb == preflight || verb == prepare):
		return eitherOutcome
	}
	return outcomeCommitted
}
