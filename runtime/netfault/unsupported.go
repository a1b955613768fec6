//go:build !linux

package netfault

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
)

var errSystem = errors.New("a cut needs Linux")

// Switchboard can't cut anybody off on this system.
type Switchboard struct{}

// New makes a switchboard.
func New() (*Switchboard, error) { return &Switchboard{}, nil }

// Door is nil: there is nothing to inherit.
func (*Switchboard) Door() *os.File { return nil }

// Set returns an error.
func (*Switchboard) Set([]netip.Addr) error { return errSystem }

// Close does nothing.
func (*Switchboard) Close() error { return nil }

// Follow returns an error.
func Follow(*os.File, string, func(View)) error { return errSystem }

// Control does nothing: nobody is cut off.
func Control(_, _ string, _ syscall.RawConn) error { return nil }
