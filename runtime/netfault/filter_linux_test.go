package netfault

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// late is a socket at which a sweep comes while a connection's filter is on its way.
type late struct {
	fd    int
	sweep func()
}

func (l *late) Control(f func(fd uintptr)) error {
	if sweep := l.sweep; sweep != nil {
		l.sweep = nil
		sweep()
	}
	f(uintptr(l.fd))
	return nil
}

func (*late) Read(func(uintptr) bool) error  { return errors.ErrUnsupported }
func (*late) Write(func(uintptr) bool) error { return errors.ErrUnsupported }

// A connection that is made while its server is healed is not left with the filter: no sweep follows.
func TestNetFault_ConnectionDuringAHealing(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	program := filter(View{Cut: []netip.Addr{netip.MustParseAddr("127.50.0.11")}})
	filtered := func() bool {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err != nil && !errors.Is(err, syscall.ENOENT) {
			t.Fatal(err)
		}
		return err == nil
	}
	swept := func(program []unix.SockFilter) {
		if err := sweep(program); err != nil {
			t.Error(err)
		}
	}
	swept(program)
	defer swept(nil)
	if err := Control("", "", &late{fd: fd}); err != nil || !filtered() {
		t.Fatalf("a connection during a cut has no filter: %v", err)
	}
	if err := Control("", "", &late{fd: fd, sweep: func() { swept(nil) }}); err != nil || filtered() {
		t.Errorf("a connection during a healing keeps the filter: %v", err)
	}
}
