package admin

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// maxStoreQueries bounds the queries of mayRestart at a time, while allowing it to end in time if thousands of managers
// keep a store.
const maxStoreQueries = 32

// managerView is a store as one manager shows it, or the error of the query.
type managerView struct {
	url   string
	store wire.Store
	err   error
}

// checkRestart returns a refusal unless the rolling restart of an instance keeps the store available.
func checkRestart(s *catalog.Store, seen []managerView, instance string, without []string) error {
	instances := map[string]wire.Instance{}
	for _, m := range seen {
		switch {
		case m.err != nil:
			continue // what it would tell about its instances is missing below
		case m.store.Creation != s.Creation || m.store.Revision != s.Revision:
			return wire.RefuseOtherRevision.With(s.Name, strings.TrimPrefix(m.url, "http://"))
		case m.store.Prepared != nil:
			return busy(m.store.Prepared)
		case len(m.store.Leaving) > 0:
			return wire.RefuseStillLeaving.With(m.store.Leaving[0].Name, s.Name)
		}
		for _, in := range m.store.Instances {
			if in.Own {
				instances[in.Name] = in
			}
		}
	}
	data, ready := 0, 0
	for _, n := range s.Nodes {
		in, known := instances[n.Name]
		if n.Role == wire.Data {
			data++
		}
		switch {
		case n.Name == instance:
		case in.Ready && n.Role == wire.Data:
			ready++
		case in.Ready, slices.Contains(without, n.Name):
		case !known:
			return wire.RefuseOtherNotReady.With(instance, n.Name, "its manager does not answer")
		default:
			return wire.RefuseOtherNotReady.With(instance, n.Name, cmp.Or(in.LastError, string(in.Status)))
		}
	}
	if need := data/2 + 1; ready < need {
		return wire.RefuseNoMajority.With(instance, ready, data, s.Name, need)
	}
	return nil
}

// busy refuses a restart while an operation is prepared at another manager.
func busy(p *wire.OperationStatus) error {
	since := "some time ago"
	if p.Since != nil {
		since = p.Since.UTC().Format(time.RFC3339)
	}
	return wire.RefuseStoreBusy.With(p.Store, cmp.Or(p.Owner, "a runner"), since, p.Action, p.ID)
}
