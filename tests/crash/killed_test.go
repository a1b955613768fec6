package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// kills is the number of runners that are killed.
const kills = 100

// agreeWithin is the time within which all managers agree, as docs/guarantees.md promises for the real times.
const agreeWithin = 40 * time.Second

// TestCrash_KilledRunner kills runners with SIGKILL at random moments of new_store on five managers with the real
// times. All five must agree within 40 s each time, and no port or name may stay reserved.
func TestCrash_KilledRunner(t *testing.T) {
	clusters.mu.Lock()
	clusters.count++
	cl := &cluster{block: clusters.count, times: realTimes, t: t}
	clusters.mu.Unlock()
	cl.open(5)
	t.Cleanup(cl.close)
	whole := cl.measure()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed of the moments: %d; a whole new_store takes %s", seed, whole)
	rng := rand.New(rand.NewPCG(seed, 1))
	moments := make([]time.Duration, kills)
	for i := range moments {
		// With other runners at the same time, a change takes longer than measured.
		moments[i] = time.Duration(rng.Int64N(int64(2 * whole)))
	}
	var mu sync.Mutex
	var took []time.Duration
	ends := map[outcome]int{}
	var all sync.WaitGroup
	for i, moment := range moments {
		c := change{kind: "create", store: fmt.Sprintf("K%d", i), port: 20000 + 4*i}
		r := cl.run(c.script())
		alarm := time.NewTimer(moment)
		select {
		case <-alarm.C:
		case <-r.done:
		}
		r.kill()
		killed := time.Now()
		all.Go(func() {
			if _, err := cl.awaitOutcome(c, agreeWithin); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(killed))
		})
	}
	all.Wait()
	for i := range kills {
		c := change{kind: "create", store: fmt.Sprintf("K%d", i), port: 20000 + 4*i}
		ends[cl.mustAgree(c, agreeWithin)]++ // again: messages that were in flight at the kill have arrived since
		cl.must(c.script())                  // neither a name nor a port is reserved
	}
	if ends[outcomeCommitted] == 0 || ends[outcomeAborted] == 0 {
		t.Errorf("all runners died on one side of the commit: %v", ends)
	}
	fmt.Fprintf(os.Stderr, "killed runners: %d of %d, %d committed, %d aborted; all five managers agreed after at most %s\n",
		len(took), kills, ends[outcomeCommitted], ends[outcomeAborted], slices.Max(took).Round(time.Millisecond))
}

// measure returns the average duration of an undisturbed new_store.
func (cl *cluster) measure() time.Duration {
	cl.t.Helper()
	began := time.Now()
	const times = 3
	for i := range times {
		c := change{kind: "create", store: fmt.Sprintf("M%d", i), port: 19000 + 4*i}
		cl.must(c.script())
	}
	return time.Since(began) / times
}
