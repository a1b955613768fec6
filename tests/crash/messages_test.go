package crash

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// messageRows loses, delays, repeats and truncates each message of the protocol, to the coordinator and to another
// manager.
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
				continue // these go to the coordinator only
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

// enterFor returns a cluster for cases of a message. Cases of renewals need the real times: a runner renews every 5 s.
func enterFor(t *testing.T, verb string) *cluster {
	if verb == renew {
		return enter(t, realTimes...)
	}
	return enter(t)
}

// disturb applies a verdict to the first message of a kind to a manager, and to no other message.
func disturb(cl *cluster, verb string, who int, what verdict, answer bool) {
	c := cl.change("create")
	var reached atomic.Bool
	var r *runner
	ready := make(chan struct{})
	cl.network.set(func(m message) verdict {
		<-ready
		switch {
		case verb == abort && m.verb == prepare && m.manager == 2:
			return drop // the runner aborts without this vote
		case verb == state && m.verb == commit && m.manager != 0:
			if !m.answer && m.manager == 1 {
				r.kill() // so the others must ask the coordinator
			}
			return drop
		case verb == renew && m.verb == prepare && m.manager == 1 && m.answer:
			return slow // so that the runner renews meanwhile
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
	r = cl.run(script)
	close(ready)
	<-r.done
	if eventually(cl.t, verb+" passes", resolveWithin, reached.Load); verb == renew && r.status() != 0 {
		cl.t.Errorf("one renewal was disturbed, and the runner ends with %d:\n%s", r.status(), r.out)
	}
	cl.verify(c, wantedAfter(verb, what), r)
	cl.network.behind.Wait()
	cl.verify(c, outcomeCommitted, nil) // late messages must change nothing
}

// wantedAfter returns the outcome of a change of which one message was disturbed. The runner aborts if a preflight or a
// vote gets no answer, and repeats commit and abort.
func wantedAfter(verb string, what verdict) outcome {
	switch {
	case verb == abort:
		return outcomeAborted
	case what != twice && what != again && (verb == preflight || verb == prepare):
		return eitherOutcome
	}
	return outcomeCommitted
}
