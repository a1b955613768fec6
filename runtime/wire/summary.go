package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// StoreSummary is what a list of stores shows of a store before anybody asks for its instances.
type StoreSummary struct {
	Name     string
	Status   StoreStatus
	Revision uint64
	// Instances of the topology; Own are the manager's, and Running those of Own that run.
	Instances, Own, Running int
	description             []byte
}

// ParseStoreSummary reads the description of one store.
func ParseStoreSummary(description []byte) (StoreSummary, error) {
	s := scanner{in: description}
	g, err := s.summary()
	if err == nil {
		err = s.end()
	}
	return g, err
}

// maxStores bounds a list of stores: in memory one takes many times what it takes in a list of empty ones.
const maxStores = 1 << 17

// ParseStoreSummaries reads a list of stores. The list is kept by what comes back.
func ParseStoreSummaries(list []byte) ([]StoreSummary, error) {
	s := scanner{in: list}
	var out []StoreSummary
	err := s.array(func() error {
		g, err := s.summary()
		if err == nil && g.Name == "" {
			err = s.fail("a store's name")
		}
		if err == nil && len(out) == maxStores {
			err = s.fail("fewer stores")
		}
		out = append(out, g)
		return err
	})
	if err == nil {
		err = s.end()
	}
	return out, err
}

// Store is the whole description. A field that is not of the type it should be is left empty.
func (g StoreSummary) Store() Store {
	var s Store
	_ = json.Unmarshal(g.description, &s) // its grammar was checked, and of a wrong type it keeps the rest
	return s
}

func (s *scanner) summary() (g StoreSummary, err error) {
	s.next()
	first := s.at
	err = s.object(func(name []byte) error {
		switch string(name) {
		case "name":
			return s.string(&g.Name)
		case "status":
			return s.string((*string)(&g.Status))
		case "revision":
			return s.count(&g.Revision)
		case "instances":
			if s.word("null") {
				return nil
			}
			return s.array(func() error { return s.instance(&g) })
		}
		return s.value()
	})
	g.description = s.in[first:s.at]
	return g, err
}

// instance counts one instance.
func (s *scanner) instance(g *StoreSummary) error {
	own, running := false, false
	err := s.object(func(name []byte) error {
		switch string(name) {
		case "own":
			if own = s.word("true"); own {
				return nil
			}
		case "status":
			status, err := s.text()
			running = string(status) == string(Running)
			return err
		}
		return s.value()
	})
	g.Instances++
	if own {
		g.Own++
		if running {
			g.Running++
		}
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
