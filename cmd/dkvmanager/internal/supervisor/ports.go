package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"dkvrun/runtime/wire"
)

// maxShift bounds the search for free ports.
const maxShift = 1000

// CheckPorts refuses own nodes of a store one of whose ports is another instance's or taken on the
// system. The error is a *wire.Result, port_taken. Nodes of other servers are not looked at. The ports of
// running instances count as taken: ask before they are started.
func (s *Supervisor) CheckPorts(store string, nodes []wire.Node) error {
	var own []wire.Node
	for _, n := range nodes {
		if s.opts.Owns(n) {
			own = append(own, n)
		}
	}
	for _, n := range own {
		for _, port := range []int{n.ClustronPort, n.ClientPort} {
			problem := s.taken(store, n, port)
			if problem == "" {
				continue
			}
			r := refusal(http.StatusConflict, wire.CodePortTaken, "%s %s", net.JoinHostPort(n.Host, strconv.Itoa(port)), problem)
			r.Hint = s.freePorts(store, own)
			return r
		}
	}
	return nil
}

// taken says in words who has a port, or why it can't be had; empty when it is free.
func (s *Supervisor) taken(store string, n wire.Node, port int) string {
	for _, other := range s.view.Load().Stores {
		for _, o := range append(other.Nodes[:len(other.Nodes):len(other.Nodes)], leaving(other)...) {
			same := other.Name == store && o.Name == n.Name
			here := strings.EqualFold(o.Host, n.Host) || s.opts.Owns(o)
			if !same && here && (o.ClustronPort == port || o.ClientPort == port) {
				return fmt.Sprintf("belongs to instance %s of store %s", o.Name, other.Name)
			}
		}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(s.opts.Bind, strconv.Itoa(port)))
	if err == nil {
		l.Close()
		return ""
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return "can't be used: " + cause(err).Error()
	}
	if holder := PortHolder(s.opts.Bind, port); holder != "" {
		return "is taken by " + holder
	}
	return "is taken"
}

// cause is the system's own word in an error of package net.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// freePorts suggests the next ports from which on all the nodes' ports are free, each pair of them
// moved by the same number; empty when there are none near.
func (s *Supervisor) freePorts(store string, nodes []wire.Node) string {
	for shift := 1; shift <= maxShift; shift++ {
		if s.freeAt(store, nodes, shift) {
			first := nodes[0]
			for _, n := range nodes {
				first.ClustronPort = min(first.ClustronPort, n.ClustronPort)
				first.ClientPort = min(first.ClientPort, n.ClientPort)
			}
			return fmt.Sprintf("the next free pair on %s is clustron port %d, client port %d",
				first.Host, first.ClustronPort+shift, first.ClientPort+shift)
		}
	}
	return ""
}

func (s *Supervisor) freeAt(store string, nodes []wire.Node, shift int) bool {
	for _, n := range nodes {
		for _, port := range []int{n.ClustronPort + shift, n.ClientPort + shift} {
			if port > 65535 || s.taken(store, n, port) != "" {
				return false
			}
		}
	}
	return true
}
