package crash

import (
	"fmt"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// outcome is how a change ended.
type outcome string

const (
	outcomeCommitted outcome = "committed"
	outcomeAborted   outcome = "aborted"
	eitherOutcome    outcome = "committed or aborted"
)

// resolveWithin bounds the wait until all managers agree. It corresponds to the 40 s of managers with the real times,
// with a margin for a busy machine.
const resolveWithin = 15 * time.Second

// mustAgree calls awaitOutcome, and fails the case on an error.
func (cl *cluster) mustAgree(c change, within time.Duration) outcome {
	cl.t.Helper()
	got, err := cl.awaitOutcome(c, within)
	if err != nil {
		cl.t.Fatal(err)
	}
	return got
}

// awaitOutcome waits until all managers agree and none has a prepared operation, both by their answers and by their
// files, and returns the outcome.
func (cl *cluster) awaitOutcome(c change, within time.Duration) (outcome, error) {
	there, err := cl.agree(c)
	for deadline := time.Now().Add(within); err != nil; there, err = cl.agree(c) {
		if time.Now().After(deadline) {
			return "", fmt.Errorf("%s of %s: not resolved within %s: %w", c.kind, c.store, within, err)
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

// agree returns the configuration that all managers have of the store, or nil if none has it. The error says how they
// differ.
func (cl *cluster) agree(c change) (*wire.Configuration, error) {
	var first wire.StoreState
	for i, m := range cl.managers {
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
			return nil, fmt.Errorf("%s has %q, %s has %q", m.ip, digest(s), cl.managers[0].ip, digest(first))
		}
	}
	return first.Configuration, cl.sameOnDisk(c, first)
}

func ended(committed bool) outcome {
	if committed {
		return outcomeCommitted
	}
	return outcomeAborted
}

// digest returns a text that is the same for two managers with the same configuration.
func digest(s wire.StoreState) string {
	if s.Configuration == nil {
		return ""
	}
	return s.Configuration.LastOperation + " " + s.Configuration.Digest
}

// sameOnDisk returns an error unless every manager's file has what the manager answered, and no instance of the store
// runs.
func (cl *cluster) sameOnDisk(c change, said wire.StoreState) error {
	for _, m := range cl.managers {
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
	for m, instances := range running(c.store, cl.managers...) {
		return fmt.Errorf("%s runs %v of a store that nobody started", m.ip, instances)
	}
	return nil
}

// verify checks the outcome of a change, and then repeats the change. If it was committed, the repetition must change
// nothing. If it was aborted, the repetition must succeed, since no name and no port may stay reserved.
func (cl *cluster) verify(c change, want outcome, r *runner) {
	cl.t.Helper()
	cl.network.set(nil)
	got := cl.mustAgree(c, resolveWithin)
	if want != eitherOutcome && got != want {
		cl.t.Errorf("%s of %s is %s, want %s", c.kind, c.store, got, want)
	}
	if r != nil && r.status() == 0 && got != outcomeCommitted {
		cl.t.Errorf("the runner says done, and it is %s:\n%s", got, r.out)
	}
	before := cl.revision(c)
	if got == outcomeAborted || c.kind == "create" {
		cl.must(c.script())
	} else {
		<-cl.run(c.script()).done // it fails: the instance exists already, or the store is gone
	}
	if cl.mustAgree(c, resolveWithin) != outcomeCommitted {
		cl.t.Errorf("repeated, %s of %s is not committed", c.kind, c.store)
	}
	if got == outcomeCommitted && cl.revision(c) != before {
		cl.t.Errorf("repeated, %s of %s went from revision %d to %d", c.kind, c.store, before, cl.revision(c))
	}
}

// revision returns the store's revision at the coordinator, or 0 if there is no store.
func (cl *cluster) revision(c change) uint64 {
	cl.t.Helper()
	d, err := cl.managers[0].disk()
	if err != nil {
		cl.t.Fatal(err)
	}
	return d.Stores[c.store].Revision
}
