package twophase

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// A round queries other managers about many stores. Anyone who can prepare an operation can name managers that never
// answer, so the queries of a round run at the same time, up to a bound, and managers that were silent wait for the
// others: one store does not delay the rest.

const (
	// roundQueries is the number of queries of a round that run at the same time, by default.
	roundQueries = 16
	// roundLimit is the time after which a round begins no more queries of managers that were silent before.
	roundLimit = 5 * time.Second
)

// query is one query of a round.
type query struct {
	url  string // of the manager
	turn int    // queries with lower numbers come first
	do   func() error
}

// noAnswer is the error of a query that a manager did not answer.
type noAnswer struct{ error }

func (n noAnswer) Unwrap() error { return n.error }

// rounds remembers between the rounds of one kind which managers were silent, and when they were last asked.
type rounds struct {
	clock       func() time.Time
	parallel    int                  // how many queries run at the same time
	silentSince map[string]time.Time // by URL: the last query that was not answered
}

// run carries out the queries of a round: first those of managers that answered before, in
// their turns, then those of silent managers, the longest not asked first. A manager that does not answer is asked once
// a round. It returns the errors of the managers that were silent, in the order of their URLs, and all others.
func (r *rounds) run(queries []query) error {
	began := r.clock()
	before := r.silentSince
	slices.SortStableFunc(queries, func(a, b query) int {
		// The zero time of a manager that was not silent is before all others.
		return cmp.Or(before[a.url].Compare(before[b.url]), cmp.Compare(a.turn, b.turn))
	})
	var mu sync.Mutex
	silent, others := map[string]error{}, []error(nil)
	now := map[string]time.Time{}
	next := 0
	// take returns the next query, or nil at the end.
	take := func() *query {
		mu.Lock()
		defer mu.Unlock()
		for next < len(queries) {
			q := &queries[next]
			next++
			last, known := before[q.url]
			switch {
			case silent[q.url] != nil:
			case known && r.clock().Sub(began) > roundLimit:
				now[q.url] = last // its turn comes in another round
			default:
				return q
			}
		}
		return nil
	}
	work := func() {
		for q := take(); q != nil; q = take() {
			err := q.do()
			mu.Lock()
			var missing noAnswer
			switch {
			case errors.As(err, &missing):
				silent[q.url], now[q.url] = missing.error, r.clock()
			case err != nil:
				others = append(others, err)
			}
			mu.Unlock()
		}
	}
	if r.parallel == 1 {
		work()
	} else {
		var workers sync.WaitGroup
		for range min(r.parallel, len(queries)) {
			workers.Go(work)
		}
		workers.Wait()
	}
	r.silentSince = now
	var all []error
	for _, url := range slices.Sorted(maps.Keys(silent)) {
		all = append(all, silent[url])
	}
	return errors.Join(append(all, others...)...)
}
