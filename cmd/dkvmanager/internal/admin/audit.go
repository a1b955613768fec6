package admin

import (
	"log/slog"

	"dkvrun/cmd/dkvmanager/internal/catalog"
)

// logChanges logs how a change of the catalog changed the stores, and who requested it if that is known.
func logChanges(log *slog.Logger, before, after *catalog.Data) {
	for name, s := range after.Stores {
		was := before.Stores[name]
		switch {
		case was == nil:
			log.Info("store created", append(requestedBy(before, name), "revision", s.Revision, "instances", len(s.Nodes))...)
		case was.Revision != s.Revision:
			log.Info("store changed", append(requestedBy(before, name), "revision", s.Revision, "instances", len(s.Nodes))...)
		}
	}
	for name := range before.Stores {
		if after.Stores[name] == nil {
			log.Info("store removed", requestedBy(before, name)...)
		}
	}
}

// requestedBy returns log attributes: the store and, for an operation of all managers, its id and owner.
func requestedBy(before *catalog.Data, store string) []any {
	attributes := []any{"store", store}
	if p := before.Name(store).Prepared; p != nil {
		attributes = append(attributes, "operation", p.ID, "by", p.Owner)
	}
	return attributes
}
