package twophase

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	runner "dkvrun/runtime/commit"
	"dkvrun/runtime/wire"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "replay this seed of the simulation alone")
	seedsFlag = flag.Uint64("seeds", 500, "how many seeds to simulate")
)

// simulation is a simulated cluster: a few managers and runners, with faults of processes, network and disks.
type simulation struct {
	*world
	weak            weakness
	faults          faults
	managers        []*manager
	victim          *manager // the manager whose disk a crash may damage
	changes         map[string]*wire.Operation
	reportedAborted map[string]bool            // operations that a runner reported as aborted or refused
	heads           map[string]string          // the last operation that was committed at its coordinator, by store
	lost            map[string]map[string]bool // by store: the coordinators that were declared lost
	overruled       map[string]bool            // operations that a person was asked to decide
	runners         []*process
	outcomes        map[runner.State]int
	planned         int
	ports           int
	broken          broken
}

// replaced is the key under which outcomes counts completed coordinator replacements.
const replaced runner.State = -1

// Keys under which outcomes counts how coordinators that lost writes healed: stores, names without a store, managers
// that vote for unknown names again, and operations that a person decided.
const (
	healed runner.State = -iota - 2
	healedName
	freed
	decidedMake
	decidedDrop
)

// weakness removes a rule from the protocol.
type weakness struct {
	voteBeforeSync, expireAnywhere, noBase, believeSilence, trustDisk bool
	// anyContent makes managers answer with the digest of the driver's content, whatever they have.
	anyContent bool
}

// syncLate is the maximum delay until a write of a weakened manager is durable.
const syncLate = 5 * time.Second

// simulate runs one seed to its end. The field broken of the result describes a failure.
func simulate(seed uint64, weak weakness) (s *simulation) {
	s = &simulation{
		world: newWorld(seed), weak: weak, changes: map[string]*wire.Operation{}, reportedAborted: map[string]bool{},
		heads: map[string]string{}, lost: map[string]map[string]bool{}, overruled: map[string]bool{},
		outcomes: map[runner.State]int{},
	}
	defer s.close()
	for i := range 3 + s.rng.IntN(3) {
		m := &manager{s: s, host: fmt.Sprintf("10.0.0.%d", 11+i), committed: map[string]bool{}, aborted: map[string]bool{}}
		m.older = s.chance(0.3)
		m.disk = &disk{s: s, m: m, identity: fmt.Sprintf("m%d", 1+i), durable: []byte(`{"stores":{}}`)}
		s.managers = append(s.managers, m)
		m.start()
	}
	s.trouble()
	s.loseCoordinator()
	for range 2 + s.rng.IntN(2) {
		p := &process{}
		s.runners = append(s.runners, p)
		s.spawn(p, func() { s.script(p) })
		s.spoil(p)
	}
	for range 200 { // seconds
		if s.run(time.Second); s.broken != "" {
			return s
		}
	}
	s.heal()
	return s
}

// trouble chooses the probabilities of faults, and when managers crash and are suspended.
func (s *simulation) trouble() {
	some := func(most float64) float64 {
		if s.chance(0.4) {
			return 0
		}
		return most * s.rng.Float64()
	}
	s.faults = faults{
		lostRequest: some(0.25), lostReply: some(0.25), doubled: some(0.3), slow: some(0.15), broken: some(0.1),
		diskFull: some(0.1), crashInWrite: some(0.1), damage: some(0.5),
		altered: some(0.1), misleading: some(0.1),
	}
	// Changed fields would break I7 first and hide what another weakness breaks.
	if s.weak != (weakness{}) && !s.weak.anyContent {
		s.faults.altered = 0
	}
	s.victim = s.managers[s.rng.IntN(len(s.managers))]
	if s.chance(0.5) {
		s.victim = s.managers[0] // a coordinator
	}
	for range s.rng.IntN(5) {
		m := s.managers[s.rng.IntN(len(s.managers))]
		s.after(s.upTo(150*time.Second), func() { s.crash(m) })
	}
	for range s.rng.IntN(3) {
		m := s.managers[s.rng.IntN(len(s.managers))]
		s.after(s.upTo(150*time.Second), func() { m.frozen = s.now.Add(s.upTo(60 * time.Second)) })
	}
}

// spoil kills some runners, and suspends others, possibly for longer than the lease.
func (s *simulation) spoil(p *process) {
	switch s.rng.IntN(4) {
	case 0:
		s.after(s.upTo(60*time.Second), p.kill)
	case 1:
		s.after(s.upTo(60*time.Second), func() { p.frozen = s.now.Add(s.upTo(90 * time.Second)) })
	}
}

// crash kills a manager, and restarts it some time later.
func (s *simulation) crash(m *manager) {
	if m.down {
		return
	}
	m.kill()
	if m == s.victim && s.chance(s.faults.damage) {
		m.disk.damage()
	}
	s.after(s.upTo(60*time.Second), func() {
		if m.down && !m.gone {
			m.start()
		}
	})
}

// heal ends all faults, lets the managers resolve everything within the promised time, and checks the result.
func (s *simulation) heal() {
	s.faults = faults{}
	for _, m := range s.managers {
		m.frozen, m.gone = s.now, false
		if m.down {
			m.start()
		}
	}
	for _, p := range s.runners {
		p.kill()
	}
	s.finishRepairs()
	s.run(40 * time.Second)
	s.settled()
	s.run(180 * time.Second)
	s.converged()
	for _, m := range s.managers {
		s.differentContent(m)
	}
}

func isCode(err error, code string) bool {
	var r *wire.Result
	return errors.As(err, &r) && r.Code == code
}

// TestSim_RandomRuns simulates managers and drivers with random faults, one run per seed.
func TestSim_RandomRuns(t *testing.T) {
	if *seedFlag != 0 {
		if s := simulate(*seedFlag, weakness{}); s.broken != "" {
			t.Fatal(s.broken)
		}
		return
	}
	bad, outcomes := search(*seedsFlag, weakness{})
	if bad != nil {
		t.Fatalf("seed %d: %s\nreplay: go test ./cmd/dkvmanager/internal/twophase -run 'TestSim_RandomRuns$' -seed %d", bad.seed, bad.what, bad.seed)
	}
	t.Logf("%d seeds; runners reported: %d committed, %d aborted, %d refused, %d unknown; %d coordinators were replaced; healed: %d stores, %d names, %d managers for all names; a person committed %d and aborted %d", *seedsFlag,
		outcomes[runner.Committed], outcomes[runner.Aborted], outcomes[runner.Refused], outcomes[runner.Unknown],
		outcomes[replaced], outcomes[healed], outcomes[healedName], outcomes[freed],
		outcomes[decidedMake], outcomes[decidedDrop])
	for _, state := range []runner.State{runner.Committed, runner.Aborted, runner.Refused, runner.Unknown, replaced,
		healed, healedName, freed, decidedMake, decidedDrop} {
		if outcomes[state] == 0 {
			t.Errorf("no operation ended in state %d: the faults are too rare", state)
		}
	}
}

// TestSim_Replays checks that the same seed gives the same run, so that a printed seed can be replayed.
func TestSim_Replays(t *testing.T) {
	for seed := uint64(1); seed <= 100; seed++ {
		a, b := simulate(seed, weakness{}), simulate(seed, weakness{})
		if a.order != b.order {
			t.Fatalf("seed %d: %d events, then %d", seed, a.order, b.order)
		}
		for i := range a.managers {
			if x, y := a.managers[i].disk.durable, b.managers[i].disk.durable; !bytes.Equal(x, y) {
				t.Fatalf("seed %d: %s\nthen\n%s", seed, x, y)
			}
		}
	}
}

// TestSim_FindsWeaknesses removes one rule after the other. The simulation must find what breaks.
func TestSim_FindsWeaknesses(t *testing.T) {
	for _, test := range []struct {
		name string
		weak weakness
		want string
	}{
		{"a vote is answered before it is on the disk", weakness{voteBeforeSync: true}, "reported as committed"},
		{"any vote expires", weakness{expireAnywhere: true}, "I1: "},
		{"the base is not checked", weakness{noBase: true}, "I6: "},
		{"a manager trusts a catalog that it fell back to", weakness{trustDisk: true}, "I1: "},
		{"silence of the coordinator counts as abort", weakness{believeSilence: true}, "reported as aborted"},
		{"a vote counts whatever its content", weakness{anyContent: true}, "I7: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			const seeds = 3000
			bad, _ := search(seeds, test.weak)
			if bad == nil {
				t.Fatalf("not found in %d seeds", seeds)
			}
			t.Logf("seed %d: %s", bad.seed, bad.what)
			if !strings.Contains(string(bad.what), test.want) {
				t.Errorf("found something else than %q", test.want)
			}
		})
	}
}

type finding struct {
	seed uint64
	what broken
}

// search simulates seeds 1 to last, as many at once as there are processors, and returns the first that breaks.
func search(last uint64, weak weakness) (bad *finding, outcomes map[runner.State]int) {
	var next atomic.Uint64
	var mu sync.Mutex
	outcomes = map[runner.State]int{}
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for seed := next.Add(1); seed <= last; seed = next.Add(1) {
				s := simulate(seed, weak)
				mu.Lock()
				for state, n := range s.outcomes {
					outcomes[state] += n
				}
				if s.broken != "" {
					if bad == nil || seed < bad.seed {
						bad = &finding{seed, s.broken}
					}
					next.Store(last)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return bad, outcomes
}
