package wire

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// StoreSummary holds those fields of a store that are read without decoding its whole description.
type StoreSummary struct {
	Name     string
	Status   StoreStatus
	Revision uint64
	// Instances is the number of instances in the topology. Own is the number of those that belong to the manager, and
	// Running the number of the manager's instances that run.
	Instances, Own, Running int
	// Condition: see Store.
	Condition   *Condition
	description []byte
}

// ParseStoreSummary parses the description of one store. The summary keeps a reference to the description.
func ParseStoreSummary(description []byte) (StoreSummary, error) {
	s := scanner{in: description}
	g, err := s.summary()
	if err == nil {
		err = s.end()
	}
	if err == nil && !utf8.Valid(description) {
		err = errNotUTF8
	}
	switch {
	case err != nil:
	case g.Name == "" || s.top.has(fieldSuccess) || s.top.has(fieldStatusCode): // a result, for example
		err = s.fail("a store's name")
	}
	return g, err
}

// maxStores limits the number of stores in a list, because a summary takes many times the memory of an empty entry in
// the list.
const maxStores = 1 << 17

// maxPort is the highest TCP port.
const maxPort = 65535

// ParseStoreSummaries parses a list of stores. The summaries keep references to the list.
func ParseStoreSummaries(list []byte) ([]StoreSummary, error) {
	s := scanner{in: list}
	var out []StoreSummary
	listed := map[string]bool{}
	err := s.array(func() error {
		g, err := s.summary()
		switch {
		case err != nil:
		case g.Name == "":
			err = s.fail("a store's name")
		case listed[g.Name]:
			err = s.fail("each store once")
		}
		listed[g.Name] = true
		if err == nil && len(out) == maxStores {
			err = s.fail("fewer stores")
		}
		out = append(out, g)
		return err
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && !utf8.Valid(list) {
		err = errNotUTF8
	}
	return out, err
}

// Store decodes the whole description. A field of a wrong type is left empty.
func (g StoreSummary) Store() Store {
	var s Store
	_ = json.Unmarshal(g.description, &s) // the grammar was checked; fields after one of a wrong type are still decoded
	return s
}

func (s *scanner) summary() (g StoreSummary, err error) {
	s.next()
	first := s.at
	listed, identified, counted := false, false, false
	var own statusCount
	err = s.object(func(name []byte) error {
		switch string(name) {
		case "name":
			return s.string(&g.Name)
		case "status":
			if err := s.string((*string)(&g.Status)); err != nil {
				return err
			}
			if !slices.Contains(StoreStatuses, g.Status) {
				return s.fail("a status before it")
			}
			return nil
		case "revision":
			counted = true
			return s.count(&g.Revision)
		case "digest":
			digest, err := s.text()
			identified = len(digest) > 0
			return err
		case "instances":
			listed = true
			return s.array(func() error { return s.instance(&g, &own) })
		case "condition":
			if err := s.other(&g.Condition); err != nil {
				return err
			}
			return g.Condition.check()
		}
		return s.value()
	})
	if err == nil && g.Name != "" && (g.Status == "" || !listed || !counted || !identified && g.Revision > 0) {
		err = s.fail("a store's status, revision, digest and instances")
	}
	if err == nil && g.Name != "" && g.Status != own.status() {
		err = s.fail("the status of the manager's own instances")
	}
	g.Own, g.Running = own.all, own.running
	g.description = s.in[first:s.at]
	return g, err
}

// instance passes one instance and counts it in g and, if it is the manager's own, in owned. It refuses what
// Store.Check refuses of an instance, but for texts that are not kept.
func (s *scanner) instance(g *StoreSummary, owned *statusCount) error {
	own, ready := false, false
	var is Status
	owner, readiness, known, ports := false, false, false, 0 // which fields are there
	err := s.object(func(name []byte) error {
		switch string(name) {
		case "own":
			owner = true
			return s.flag(&own)
		case "ready":
			readiness = true
			return s.flag(&ready)
		case "status":
			status, err := s.text()
			if err != nil {
				return err
			}
			at := slices.IndexFunc(statuses, func(s Status) bool { return string(s) == string(status) })
			if at < 0 {
				return s.fail("a status before it")
			}
			is, known = statuses[at], true
			return nil
		case "desired":
			desired, err := s.text()
			if err == nil && string(desired) != string(DesiredRunning) && string(desired) != string(DesiredStopped) {
				return s.fail("a desired state before it")
			}
			return err
		case "role":
			role, err := s.text()
			if err == nil && string(role) != string(Data) && string(role) != string(Gateway) {
				return s.fail("a role before it")
			}
			return err
		case "clustronPort", "clientPort":
			ports++
			var port uint64
			if err := s.count(&port); err != nil {
				return err
			}
			if port < 1 || port > maxPort {
				return s.fail("a port before it")
			}
			return nil
		}
		return s.value()
	})
	if err == nil && !(owner && readiness && known && ports == 2) {
		return s.fail("an instance's status, ports, own and ready")
	}
	g.Instances++
	if own {
		owned.add(is)
	}
	return err
}

func (s *scanner) string(to *string) error {
	first := s.at
	text, err := s.text()
	if err != nil {
		return err
	}
	if bytes.IndexByte(text, '\\') >= 0 {
		return json.Unmarshal(s.in[first:s.at], to)
	}
	*to = string(text)
	return nil
}

func (s *scanner) flag(to *bool) error {
	*to = s.word("true")
	if !*to && !s.word("false") {
		return s.fail("true or false")
	}
	return nil
}

func (s *scanner) count(to *uint64) error {
	s.next()
	first := s.at
	if err := s.value(); err != nil {
		return err
	}
	n, err := strconv.ParseUint(string(s.in[first:s.at]), 10, 64)
	*to = n
	return err
}
