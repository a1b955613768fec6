package credential

import (
	"net"
	"sync"

	"dkvrun/runtime/fanout"
)

// Servers is a fanout.Security for a run that has started clusters itself: each of them has a credential of its own,
// and all other servers get the user's. Its methods may be called concurrently.
type Servers struct {
	// Others is the source for servers that the run has not started.
	Others *Source

	mu sync.Mutex
	// managers and hosts hold the sources for managers, by host:port, and for the client ports of their instances, by
	// host. A nil source is one of servers without TLS.
	managers, hosts map[string]*Source
}

// Started notes that the run has started managers, and with which credential to connect to them; nil for managers
// without TLS.
func (s *Servers) Started(managers []fanout.Endpoint, with *Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.managers == nil {
		s.managers, s.hosts = map[string]*Source{}, map[string]*Source{}
	}
	for _, e := range managers {
		s.managers[e.String()], s.hosts[e.Host] = with, with
	}
}

// Of returns the source for a manager, and whether the run has started it. The source is nil if it speaks no TLS.
func (s *Servers) Of(manager fanout.Endpoint) (source *Source, started bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	source, started = s.managers[manager.String()]
	return source, started
}

// For returns the source for a manager: that of the cluster that the run has started, or that of the others.
func (s *Servers) For(manager fanout.Endpoint) *Source {
	if source, _ := s.Of(manager); source != nil {
		return source
	}
	return s.Others
}

// Default implements fanout.Security. The user's credential is not for managers that the run has started.
func (s *Servers) Default(e fanout.Endpoint) bool {
	if source, started := s.Of(e); started {
		return source != nil
	}
	return s.Others.Default(e)
}

// Secure implements fanout.Security.
func (s *Servers) Secure(e fanout.Endpoint, raw net.Conn) (fanout.Secure, error) {
	s.mu.Lock()
	source := s.managers[e.String()]
	if e.Store != "" {
		source = s.hosts[e.Host]
	}
	s.mu.Unlock()
	if source == nil {
		source = s.Others
	}
	return source.Secure(e, raw)
}
