package twophase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// strangers answers for the managers of the cluster; all others never answer.
type strangers struct {
	*cluster
	asked chan string
}

func (s strangers) State(ctx context.Context, url, store string, q wire.StateQuestion) (wire.StoreState, error) {
	if strings.Contains(url, "stranger") {
		<-ctx.Done()
		return wire.StoreState{}, ctx.Err()
	}
	s.asked <- url
	return s.cluster.State(ctx, url, store, q)
}

// A store with many managers that don't answer delays neither the comparison of another store nor its decisions.
func TestRounds_SilentManagersDelayNoOthers(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	m := f.all[1]
	for _, at := range []int{0, 2} {
		if _, err := f.all[at].Commit(c.ID, 1); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m.Peers = strangers{f, make(chan string, 10)}
	err := m.Catalog.Update(func(d *catalog.Data) error {
		// In the order of the names both are before OrdersStore.
		s := &catalog.Store{Name: "AStore", Creation: id(2), Revision: 1, Coordinator: "s-0"}
		for i := range 4 * roundQueries {
			url := fmt.Sprintf("http://stranger-%d:7801", i)
			s.Managers = append(s.Managers, wire.Manager{Identity: fmt.Sprint("s-", i), URL: url})
		}
		d.Stores[s.Name] = s
		d.SetName("BStore", func(n *catalog.Name) {
			n.Prepared = &catalog.PreparedRecord{}
			n.Prepared.ID, n.Prepared.Store, n.Prepared.Coordinator, n.Prepared.Managers = id(3), "BStore", "s-0", s.Managers
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rounds := make(chan error, 2)
	go func() { rounds <- m.Resolve(ctx) }()
	for m.store() == nil { // the operation is in doubt here until the coordinator of OrdersStore is asked
		select {
		case <-m.Peers.(strangers).asked:
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatal("Resolve has not asked the coordinator of OrdersStore")
		}
	}
	go func() { rounds <- m.reconcile(ctx) }()
	select {
	case <-m.Peers.(strangers).asked:
	case <-ctx.Done():
		t.Fatal("reconcile has not asked the coordinator of OrdersStore")
	}
	cancel()
	for range 2 {
		if err := <-rounds; !errors.Is(err, context.Canceled) {
			t.Errorf("a round ended with %v", err)
		}
	}
}

// Managers that were silent wait for the others, are left out when the round is long, and then come first among them.
func TestRounds_SilentManagersTakeTurns(t *testing.T) {
	now := time.Unix(1000, 0)
	r := rounds{clock: func() time.Time { return now }, parallel: 1}
	run := func(want ...string) {
		t.Helper()
		var asked []string
		var queries []query
		for i, url := range []string{"a", "b", "c", "d", "a"} {
			queries = append(queries, query{url, i, func() error {
				asked = append(asked, url)
				if url == "d" {
					return nil
				}
				now = now.Add(roundLimit - time.Second)
				return noAnswer{errors.New(url + " is silent")}
			}})
		}
		err := r.run(queries)
		if !slices.Equal(asked, want) {
			t.Errorf("asked %v, want %v", asked, want)
		}
		for _, url := range want {
			if said := strings.Contains(err.Error(), url+" is silent"); said != (url != "d") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
	run("a", "b", "c", "d") // none was known to be silent, and a is asked once
	run("d", "a", "b")      // the round has lasted long enough
	run("d", "c", "a")
	run("d", "b", "c")
}
