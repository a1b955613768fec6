package netfault

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// racingConn calls a function once, just before Control attaches the filter to the socket.
type racingConn struct {
	fd     int
	before func()
}

func (c *racingConn) Control(f func(fd uintptr)) error {
	if before := c.before; before != nil {
		c.before = nil
		before()
	}
	f(uintptr(c.fd))
	return nil
}

func (*racingConn) Read(func(uintptr) bool) error  { return errors.ErrUnsupported }
func (*racingConn) Write(func(uintptr) bool) error { return errors.ErrUnsupported }

// A connection that is made while its server is healed must not keep the filter: no rescan follows.
func TestNetFault_ConnectDuringHeal(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	program := filter(View{Isolated: []netip.Addr{netip.MustParseAddr("127.50.0.11")}})
	filtered := func() bool {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err != nil && !errors.Is(err, syscall.ENOENT) {
			t.Fatal(err)
		}
		return err == nil
	}
	apply := func(program []unix.SockFilter) {
		if err := filterSockets(program); err != nil {
			t.Error(err)
		}
	}
	apply(program)
	defer apply(nil)
	if err := Control("", "", &racingConn{fd: fd}); err != nil || !filtered() {
		t.Fatalf("a connection made while a server is isolated has no filter: %v", err)
	}
	racing := &racingConn{fd: fd, before: func() { apply(nil) }}
	if err := Control("", "", racing); err != nil || filtered() {
		t.Errorf("a connection made while a server is healed keeps the filter: %v", err)
	}
}
