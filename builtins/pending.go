package builtins

import (
	"fmt"
	"time"

	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var pendingType = &runtime.RecordType{Name: "pending", Doc: "A change of a store that managers have voted for and that is not decided.", Fields: []runtime.Field{
	{Name: "operation", Doc: "its id"},
	{Name: "action", Doc: "CreateStore, AddInstance, …"},
	{Name: "owner", Doc: "who makes it: user@host, process"},
	{Name: "since", Doc: "when the first manager voted, in UTC as RFC 3339, by that manager's clock"},
	{Name: "age_sec", Doc: "seconds since then"},
	{Name: "managers", Type: "list of string", Doc: "the managers that hold it, as host:port"},
}}

// pending is the change that any manager holds, nil where none does.
func (v *view) pending() any {
	var first *wire.Operation
	managers := runtime.List{}
	for _, s := range v.sightings {
		if s.store == nil || s.store.Pending == nil {
			continue
		}
		p := s.store.Pending
		if first == nil || p.Since != nil && first.Since != nil && p.Since.Before(*first.Since) {
			first = p
		}
		managers.Items = append(managers.Items, s.Endpoint.String())
	}
	if first == nil {
		return nil
	}
	values := map[string]any{
		"operation": first.ID, "action": first.Action, "owner": text.OrNil(first.Owner), "managers": managers,
	}
	if first.Since != nil {
		values["since"] = first.Since.UTC().Format(time.RFC3339)
		values["age_sec"] = max(0, time.Since(*first.Since).Round(time.Second).Seconds())
	}
	return runtime.Record{Type: pendingType, Values: values}
}

var differenceType = &runtime.RecordType{Name: "deviation", Doc: "A manager that keeps another topology than most, or none.", Fields: []runtime.Field{
	{Name: "manager", Doc: "host:port"},
	{Name: "revision", Doc: "the revision that it keeps, nil where it does not know the store"},
	{Name: "message", Doc: "what differs, in a sentence"},
}}

// differences lists the managers that keep the store otherwise than the latest that anyone has.
func (v *view) differences() runtime.List {
	out := runtime.List{}
	add := func(s sighting, revision any, format string, args ...any) {
		out.Items = append(out.Items, runtime.Record{Type: differenceType, Values: map[string]any{
			"manager": s.Endpoint.String(), "revision": revision, "message": fmt.Sprintf(format, args...),
		}})
	}
	for _, s := range v.sightings {
		switch {
		case !s.row.Success:
		case s.store == nil && v.keptBy(s.Member):
			add(s, nil, "does not have the store, which others say that it keeps")
		case s.store == nil:
		case s.store.Operation != v.latest.Operation:
			add(s, s.store.Revision, "has another store of that name, made by operation %s", s.store.Operation)
		case s.store.Revision != v.latest.Revision:
			add(s, s.store.Revision, "has revision %d, others have %d", s.store.Revision, v.latest.Revision)
		case s.store.Digest != v.latest.Digest || s.store.Change != v.latest.Change:
			add(s, s.store.Revision, "has revision %d with another content", s.store.Revision)
		}
	}
	return out
}

// keptBy says whether the store names a manager as one that keeps it.
func (v *view) keptBy(m Member) bool {
	for _, k := range v.latest.Managers {
		if m.Info != nil && k.Identity == m.Info.Identity || m.Info == nil && k.URL == m.Endpoint.URL() {
			return true
		}
	}
	return false
}
