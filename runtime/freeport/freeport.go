// Package freeport finds out whether a process could listen on an address.
package freeport

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// errBound ends a Listen whose socket Check has bound.
var errBound = errors.New("bound")

// Check returns nil if a process could listen on a TCP address, an IP or nothing with a port, else why it can't:
// EADDRINUSE if something listens there.
//
// Check binds a socket and never listens: while it did, and while a child process that is starting had a copy of its
// socket, the process for which the address is checked would find it taken. Sockets that only are bound, with the
// option of address reuse that package net sets, disturb nobody (inet_csk_bind_conflict of Linux).
func Check(address string) error {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return err
	}
	config := net.ListenConfig{Control: func(network, _ string, socket syscall.RawConn) error {
		var bound error
		if err := socket.Control(func(fd uintptr) { bound = syscall.Bind(int(fd), sockaddr(network, at)) }); err != nil {
			return err
		}
		if bound != nil {
			return os.NewSyscallError("bind", bound)
		}
		return errBound
	}}
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err == nil {
		return errors.Join(errors.New("the socket was not bound by Check"), listener.Close())
	}
	if errors.Is(err, errBound) {
		return nil
	}
	return err
}

// sockaddr returns the system's form of an address for a socket of a network, tcp4 or tcp6.
func sockaddr(network string, at *net.TCPAddr) syscall.Sockaddr {
	if network == "tcp4" {
		out := &syscall.SockaddrInet4{Port: at.Port}
		copy(out.Addr[:], at.IP.To4())
		return out
	}
	out := &syscall.SockaddrInet6{Port: at.Port}
	copy(out.Addr[:], at.IP.To16())
	if zone, err := net.InterfaceByName(at.Zone); err == nil {
		out.ZoneId = uint32(zone.Index)
	}
	return out
}
