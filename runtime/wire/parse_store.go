package wire

import (
	"encoding/json"
	"strconv"
)

// parseStore parses the description of a store, whose text must be UTF-8. A fan-out reads thousands of them, and
// encoding/json takes several times as long, beside the check of the text. whole reports whether the store has a
// revision, and every instance says whether it is the manager's own and whether it is ready: without these it would
// count as neither.
func parseStore(body []byte) (s Store, whole bool, err error) {
	p := scanner{in: body}
	err = p.store(&s)
	if err == nil {
		err = p.end()
	}
	if err == nil && (p.top.has(fieldSuccess) || p.top.has(fieldStatusCode)) {
		err = p.fail("a store, not a result")
	}
	return s, !p.partial, err
}

// fields calls field at each value of an object that is not null, which leaves a field empty.
func (s *scanner) fields(field func(name []byte) error) error {
	return s.object(func(name []byte) error {
		if s.word("null") {
			return nil
		}
		return field(name)
	})
}

func (s *scanner) store(to *Store) error {
	counted := false
	defer func() { s.partial = s.partial || !counted }()
	return s.fields(func(name []byte) error {
		switch string(name) {
		case "name":
			return s.string(&to.Name)
		case "status":
			return s.string((*string)(&to.Status))
		case "engine":
			return s.string(&to.Engine)
		case "operation":
			return s.string(&to.Creation)
		case "change":
			return s.string(&to.LastOperation)
		case "revision":
			counted = true
			return s.count(&to.Revision)
		case "epoch":
			return s.count(&to.Epoch)
		case "digest":
			return s.string(&to.Digest)
		case "home":
			return s.string(&to.Coordinator)
		case "managers":
			return list(s, &to.Managers, s.manager)
		case "founders":
			return list(s, &to.Founders, s.founder)
		case "clusterTls":
			return s.flag(&to.ClusterTLS)
		case "instances":
			return list(s, &to.Instances, s.wholeInstance)
		case "leaving":
			return list(s, &to.Leaving, s.wholeInstance)
		case "members":
			return s.other(&to.Members)
		case "pending":
			return s.other(&to.Prepared)
		case "condition":
			return s.other(&to.Condition)
		case "strays":
			return s.other(&to.Strays)
		}
		return s.value()
	})
}

// list appends the items of an array.
func list[T any](s *scanner, to *[]T, item func(*T) error) error {
	return s.array(func() error {
		var zero T
		*to = append(*to, zero)
		if s.word("null") {
			return nil
		}
		return item(&(*to)[len(*to)-1])
	})
}

func (s *scanner) manager(to *Manager) error {
	return s.fields(func(name []byte) error {
		switch string(name) {
		case "identity":
			return s.string(&to.Identity)
		case "url":
			return s.string(&to.URL)
		}
		return s.value()
	})
}

func (s *scanner) founder(to *Founder) error {
	return s.fields(func(name []byte) error {
		switch string(name) {
		case "name":
			return s.string(&to.Name)
		case "host":
			return s.string(&to.Host)
		case "clustronPort":
			return s.whole(&to.ClustronPort)
		}
		return s.value()
	})
}

// wholeInstance parses all fields of an instance; instance passes them.
func (s *scanner) wholeInstance(to *Instance) error {
	own, ready := false, false
	defer func() { s.partial = s.partial || !own || !ready }()
	return s.fields(func(name []byte) error {
		switch string(name) {
		case "name":
			return s.string(&to.Name)
		case "host":
			return s.string(&to.Host)
		case "clustronPort":
			return s.whole(&to.ClustronPort)
		case "clientPort":
			return s.whole(&to.ClientPort)
		case "role":
			return s.string((*string)(&to.Role))
		case "manager":
			return s.string(&to.Manager)
		case "own":
			own = true
			return s.flag(&to.Own)
		case "status":
			return s.string((*string)(&to.Status))
		case "desired":
			return s.string((*string)(&to.Desired))
		case "ready":
			ready = true
			return s.flag(&to.Ready)
		case "leader":
			return s.flag(&to.Leader)
		case "pid":
			return s.whole(&to.PID)
		case "startedAt":
			return s.other(&to.StartedAt)
		case "restarts":
			return s.whole(&to.Restarts)
		case "lastError":
			return s.string(&to.LastError)
		case "started":
			return s.flag(&to.Started)
		case "bootstrapped":
			return s.flag(&to.Bootstrapped)
		case "cluster":
			return s.string(&to.Cluster)
		case "clientTls":
			return s.string((*string)(&to.ClientTLS))
		case "clusterTls":
			return s.flag(&to.ClusterTLS)
		case "accessStaleSince":
			return s.other(&to.AccessStaleSince)
		case "build":
			return s.string(&to.Build)
		case "otherBuild":
			return s.flag(&to.OtherBuild)
		}
		return s.value()
	})
}

// whole parses a whole number.
func (s *scanner) whole(to *int) error {
	s.next()
	first := s.at
	if err := s.value(); err != nil {
		return err
	}
	n, err := strconv.Atoi(string(s.in[first:s.at]))
	*to = n
	return err
}

// other decodes a value that is rarely there.
func (s *scanner) other(to any) error {
	s.next()
	first := s.at
	if err := s.value(); err != nil {
		return err
	}
	return json.Unmarshal(s.in[first:s.at], to)
}
