package crash

import (
	"fmt"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// outcome is what has become of a change.
type outcome string

const (
	outcomeCommitted outcome = "committed"
	outcomeAborted   outcome = "aborted"
	eitherOutcome    outcome = "committed or aborted"
)

// resolveWithin is how long managers have to agree. It stands for the 40 s of a manager with the real times,
// and leaves room for a busy machine.
const resolveWithin = 15 * time.Second

// mustAgree is awaitOutcome, where not to settle fails the case.
func (l *cluster) mustAgree(c change, within time.Duration) outcome {
	l.t.Helper()
	got, err := l.awaitOutcome(c, within)
	if err != nil {
		l.t.Fatal(err)
	}
	return got
}

// awaitOutcome waits until all managers say the same and none holds anything back, by their answers and by their
// files, and says which it is.
func (l *cluster) awaitOutcome(c change, within time.Duration) (outcome, error) {
	there, err := l.agree(c)
	for deadline := time.Now().Add(within); err != nil; there, err = l.agree(c) {
		if time.Now().After(deadline) {
			return "", fmt.Errorf("%s of %s: not settled within %s: %w", c.kind, c.store, within, err)
		}
		time.Sleep(within / 300)
	}
	switch c.kind {
	case "create":
		return ended(there != nil), nil
	case "add":
		return ended(there != nil && there.Revision == 2), nil
	default:
		return ended(there == nil), nil
	}
}

// agree is what all managers have of the store, nil for nothing; the error says why they do not agree.
func (l *cluster) agree(c change) (*wire.Configuration, error) {
	var first wire.StoreState
	for i, m := range l.managers {
		var s wire.StoreState
		if err := m.get(wire.StatePath(c.store), &s); err != nil {
			return nil, err
		}
		if i == 0 {
			first = s
		}
		switch {
		case s.Prepared != nil, s.Replacing != "":
			return nil, fmt.Errorf("%s has %+v pending, repairing %q", m.ip, s.Prepared, s.Replacing)
		case digest(s) != digest(first):
			return nil, fmt.Errorf("%s has %q, %s has %q", m.ip, digest(s), l.managers[0].ip, digest(first))
		}
	}
	return first.Configuration, l.sameOnDisk(c, first)
}

func ended(committed bool) outcome {
	if committed {
		return outcomeCommitted
	}
	return outcomeAborted
}

// digest is what two managers with the same configuration have in common.
func digest(s wire.StoreState) string {
	if s.Configuration == nil {
		return ""
	}
	return s.Configuration.LastOperation + " " + s.Configuration.Digest
}

// sameOnDisk holds every manager's file against what it says, and sees that nothing of the store runs.
func (l *cluster) sameOnDisk(c change, said wire.StoreState) error {
	for _, m := range l.managers {
		d, err := m.disk()
		if err != nil {
			return err
		}
		there, found := d.Stores[c.store]
		if found != (said.Configuration != nil) || found && there.Change+" "+there.Digest != digest(said) {
			return fmt.Errorf("%s: the file has %+v, the manager says %+v", m.ip, there, said.Configuration)
		}
		if n := d.Names[strings.ToLower(c.store)]; len(n.Pending) > 0 || n.Repairing != "" {
			return fmt.Errorf("%s: the file holds %s pending, repairing %q", m.ip, n.Pending, n.Repairing)
		}
	}
	for m, instances := range running(c.store, l.managers...) {
		return fmt.Errorf("%s runs %v of a store that nobody started", m.ip, instances)
	}
	return nil
}

// verify holds the end of a change against what it has to be, and repeats the change: after a commit
// that changes nothing, after an abort it succeeds, since neither names nor ports stay reserved.
func (l *cluster) verify(c change, want outcome, r *runner) {
	l.t.Helper()
	l.network.set(nil)
	got := l.mustAgree(c, resolveWithin)
	if want != eitherOutcome && got != want {
		l.t.Errorf("%s of %s is %s, want %s", c.kind, c.store, got, want)
	}
	if r != nil && r.status() == 0 && got != outcomeCommitted {
		l.t.Errorf("the runner says done, and it is %s:\n%s", got, r.out)
	}
	before := l.revision(c)
	if got == outcomeAborted || c.kind == "create" {
		l.must(c.script())
	} else {
		<-l.run(c.script()).done // it is told that the instance is there, or that the store is not
	}
	if l.mustAgree(c, resolveWithin) != outcomeCommitted {
		l.t.Errorf("repeated, %s of %s is not committed", c.kind, c.store)
	}
	if got == outcomeCommitted && l.revision(c) != before {
		l.t.Errorf("repeated, %s of %s went from revision %d to %d", c.kind, c.store, before, l.revision(c))
	}
}

// revision of the store, 0 where it is not.
func (l *cluster) revision(c change) uint64 {
	l.t.Helper()
	d, err := l.managers[0].disk()
	if err != nil {
		l.t.Fatal(err)
	}
	return d.Stores[c.store].Revision
}
