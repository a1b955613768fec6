package admin

import (
	"fmt"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

// healthOf returns how far the manager with this catalog can be relied on.
func healthOf(c Catalog) wire.Health {
	d := c.Snapshot()
	switch {
	case c.ReadOnly() != nil:
		return wire.HealthReadOnly
	case d.SuspectNames || len(d.SuspectStores) > 0:
		return wire.HealthDegraded
	}
	return wire.HealthReady
}

// conditionOf returns the condition of the manager with this catalog, for its description.
func conditionOf(c Catalog) *wire.Condition {
	d := c.Snapshot()
	switch health := healthOf(c); health {
	case wire.HealthReadOnly:
		return readOnlyCondition(c)
	case wire.HealthDegraded:
		about, next := "about stores that it does not have", "it heals when all managers that it knows have answered"
		if stores := d.SuspectStores; len(stores) > 0 {
			names := slices.Clone(stores[:min(len(stores), 3)])
			for i, key := range names {
				if s := d.Named(key); s != nil {
					names[i] = s.Name
				}
			}
			about = "about " + strings.Join(names, ", ")
			if more := len(stores) - len(names); more > 0 {
				about += fmt.Sprintf(" and %d more stores", more)
			}
			next = fmt.Sprintf("repair_store(%q) shows what it waits for", names[0])
		}
		return wire.NewCondition(health, forgetful+" "+about, next)
	}
	return &wire.Condition{Health: wire.HealthReady}
}

// forgetful says why a manager is suspect.
const forgetful = "its catalog is an older generation or copy, and it may have forgotten a vote"

// readOnlyCondition returns the condition of a manager that refuses every change.
func readOnlyCondition(c Catalog) *wire.Condition {
	refusal := c.ReadOnly()
	return wire.NewCondition(wire.HealthReadOnly, strings.TrimPrefix(refusal.Message, "the manager is read-only: "),
		strings.TrimPrefix(refusal.Hint, "nothing was changed; "))
}

// storeCondition returns why this manager neither votes nor decides about a store of d; nil if it does.
func storeCondition(c Catalog, p *twophase.Participant, d *catalog.Data, store string) *wire.Condition {
	if c.ReadOnly() != nil {
		return readOnlyCondition(c)
	}
	suspect, doubt := p.Doubt(d, store)
	switch {
	case !suspect:
		return nil
	case doubt == nil:
		return wire.NewCondition(wire.HealthDegraded, forgetful+" about "+store,
			fmt.Sprintf("start all managers of the store; repair_store(%q) shows what it waits for", store))
	case doubt.Operation != "":
		return wire.NewCondition(wire.HealthDegraded, doubt.Why,
			fmt.Sprintf("repair_store{%[1]q, decide = %[2]q} or repair_store{%[1]q, decide = %[3]q}", store, wire.DecideMake, wire.DecideDrop))
	}
	return wire.NewCondition(wire.HealthDegraded, forgetful+": "+doubt.Why,
		fmt.Sprintf("repair_store(%q) shows what it waits for", store))
}
