package builtins

import (
	"fmt"

	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// sighting is one manager's view of one store.
type sighting struct {
	Member
	store *wire.Store // nil when the manager does not know it, or did not answer
	row   report.Row  // why it did not answer; Success when it did
}

// view is what all managers together say about one store.
type view struct {
	name      string
	sightings []sighting
	// latest is the store with the highest revision; nil when nobody knows it.
	latest *wire.Store
	// instances are the latest topology's, each as its own manager sees it.
	instances []seenInstance
	// leaving are instances that the topology has dropped and that are not gone yet.
	leaving []seenInstance
	silent  int
}

// seenInstance is an instance as its owner sees it; owner is nil when nobody owns it or its owner is
// silent.
type seenInstance struct {
	wire.Instance
	owner *Member
}

// sighted is the view that the managers' answers make.
func sighted(name string, all []Response) *view {
	v := &view{name: name}
	for _, h := range all {
		s := sighting{Member: h.Member, row: h.Row}
		var store wire.Store
		switch {
		case h.Decode(&store) && store.Name == name:
			s.store, s.row = &store, h.Row
			if v.latest == nil || store.Revision > v.latest.Revision {
				v.latest = &store
			}
		case h.Answer.Err == nil && h.Row.Code == wire.CodeStoreNotFound:
			s.row = report.Row{Success: true}
		default:
			if h.Row.Success { // it told of another store
				h.Row = h.Unreadable()
			}
			s.row = h.Row
			v.silent++
		}
		v.sightings = append(v.sightings, s)
	}
	v.merge()
	return v
}

func (v *view) merge() {
	if v.latest == nil {
		return
	}
	owned := map[string]seenInstance{}
	for i := range v.sightings {
		s := &v.sightings[i]
		if s.store == nil {
			continue
		}
		for _, in := range s.store.Instances {
			if first, twice := owned[in.Name]; in.Own && (!twice || first.Manager != first.owner.Endpoint.String()) {
				owned[in.Name] = seenInstance{in, &s.Member}
			}
		}
		for _, in := range s.store.Leaving {
			v.leaving = append(v.leaving, seenInstance{in, &s.Member})
		}
	}
	for _, in := range v.latest.Instances {
		seen, ok := owned[in.Name]
		if !ok {
			seen = seenInstance{Instance: in}
			seen.Own, seen.Status, seen.Ready, seen.Leader = false, wire.Unknown, false, false
		}
		seen.Node = in.Node
		v.instances = append(v.instances, seen)
	}
}

// nodes is the latest topology.
func (v *view) nodes() []wire.Node { return v.latest.Nodes() }

// ran says whether any instance has run, or is meant to: then roles and founders are not chosen anew.
func (v *view) ran() bool {
	for _, in := range v.instances {
		if in.Bootstrapped || in.Started || in.Desired == wire.DesiredRunning {
			return true
		}
	}
	return false
}

// wanted is what the store's instances are meant to be: running when any of them is.
func (v *view) wanted() wire.Desired {
	for _, in := range v.instances {
		if in.Desired == wire.DesiredRunning {
			return wire.DesiredRunning
		}
	}
	return wire.DesiredStopped
}

// status sums up all instances.
func (v *view) status() wire.StoreStatus {
	if v.latest == nil || len(v.instances) == 0 {
		return wire.StoreNoInstances
	}
	running, unknown := 0, 0
	for _, in := range v.instances {
		switch in.Status {
		case wire.Running:
			running++
		case wire.Unknown:
			unknown++
		}
	}
	switch {
	case unknown == len(v.instances):
		return wire.StoreUnknown
	case running == len(v.instances):
		return wire.StoreRunning
	case running > 0:
		return wire.StorePartial
	case unknown > 0:
		return wire.StoreUnknown
	case v.idle():
		return wire.StoreStopped
	}
	return wire.StorePartial
}

func (v *view) idle() bool {
	for _, in := range v.instances {
		if in.Status != wire.Stopped && in.Status != wire.Joining {
			return false
		}
	}
	return true
}

// ready says whether every instance takes reads and writes.
func (v *view) ready() bool { return v.latest != nil && len(v.notReady("")) == 0 }

// notReady lists the instances (the one named, or all) that don't take reads and writes, and why.
func (v *view) notReady(instance string) []string {
	var out []string
	for _, in := range v.instances {
		if in.Ready || instance != "" && in.Name != instance {
			continue
		}
		why := string(in.Status)
		switch {
		case in.LastError != "":
			why += ", " + in.LastError
		case in.owner == nil:
			why += ", its manager " + in.Manager + " did not answer"
		}
		out = append(out, in.Name+" ("+why+")")
	}
	return out
}

// consistent is true when all managers that keep the store keep the same one; nil while one is silent.
func (v *view) consistent() any {
	if v.silent > 0 {
		return nil
	}
	for _, s := range v.sightings {
		if s.store != nil && (s.store.Digest != v.latest.Digest || s.store.Change != v.latest.Change) {
			return false
		}
	}
	return true
}

// find returns an instance of the topology by name.
func (v *view) find(instance string) (seenInstance, bool) {
	for _, in := range v.instances {
		if in.Name == instance {
			return in, true
		}
	}
	return seenInstance{}, false
}

// unknownInstance is the error for a name that the topology doesn't have.
func (v *view) unknownInstance(builtin, instance string) error {
	var names []string
	for _, in := range v.instances {
		names = append(names, in.Name)
	}
	err := failure(wire.CodeInstanceNotFound, "%s: store %s has no instance %s", builtin, v.name, instance)
	if near := runtime.Suggest(instance, names); near != "" {
		err.Hint = "did you mean " + near + "?"
	} else {
		err.Hint = "it has " + text.Few(names)
	}
	return err
}

// unknownStore is the error for a store that no manager knows; with a manager silent it says so.
func (v *view) unknownStore(builtin string) error {
	if v.silent == len(v.sightings) {
		err := failure(v.sightings[0].row.Code, "%s: no manager answered: %s: %s", builtin, v.sightings[0].Endpoint, v.sightings[0].row.Message)
		return err
	}
	err := failure(wire.CodeStoreNotFound, "%s: no manager knows a store %s", builtin, v.name)
	if v.silent > 0 {
		err.Hint = fmt.Sprintf("%d of %d managers did not answer", v.silent, len(v.sightings))
	} else {
		err.Hint = "get_store() lists the stores there are"
	}
	return err
}

// silence says that nobody who knows the store has answered, and what the first of those who did not said.
func (v *view) silence() string {
	for _, s := range v.sightings {
		if !s.row.Success {
			return fmt.Sprintf("no manager that knows %s answers: %s: %s", v.name, s.Endpoint, s.row.Message)
		}
	}
	return "no manager knows " + v.name
}

// Pending returns the operation that any manager holds prepared, and the managers that do; nil where there is none. Of
// several it is the oldest.
func (v *view) Pending() (oldest *wire.Operation, holders []fanout.Endpoint) {
	for _, s := range v.sightings {
		if s.store == nil || s.store.Pending == nil {
			continue
		}
		p := s.store.Pending
		if oldest == nil || p.Since != nil && oldest.Since != nil && p.Since.Before(*oldest.Since) {
			oldest = p
		}
		holders = append(holders, s.Endpoint)
	}
	return oldest, holders
}

// Difference is a manager that keeps a store otherwise than the latest that any manager has.
type Difference struct {
	Manager  fanout.Endpoint
	Revision uint64 // that it keeps, 0 where it does not have the store
	Message  string
}

// Differences lists the managers that keep the store otherwise than the latest that any manager has.
func (v *view) Differences() []Difference {
	var out []Difference
	add := func(s sighting, revision uint64, format string, args ...any) {
		out = append(out, Difference{s.Endpoint, revision, fmt.Sprintf(format, args...)})
	}
	for _, s := range v.sightings {
		switch {
		case !s.row.Success:
		case s.store == nil && v.keptBy(s.Member):
			add(s, 0, "does not have the store, which others say that it keeps")
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

// missing refuses a session that lacks one of the store's managers.
func (v *view) missing(builtin string, s *Session) error {
	if v.latest == nil {
		return nil
	}
	for _, m := range v.latest.Managers {
		found := false
		for _, have := range s.Members() {
			found = found || have.Info != nil && have.Info.Identity == m.Identity
		}
		if !found {
			err := failure(wire.CodeMissingManager, "%s: %s is kept by the manager on %s too, which is not connected, or answers as another one", builtin, v.name, m.URL)
			err.Hint = fmt.Sprintf("connect to it as well; when it is gone for good: repair_store{%q, lost = …}", v.name)
			return err
		}
	}
	return nil
}

func failure(code, format string, args ...any) *runtime.Error {
	return &runtime.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
