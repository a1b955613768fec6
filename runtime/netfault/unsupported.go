//go:build !linux

package netfault

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
)

var errSystem = errors.New("network faults need Linux")

// Controller can't isolate servers on this system.
type Controller struct{}

// New returns a controller.
func New() (*Controller, error) { return &Controller{}, nil }

// File returns nil: there is nothing to inherit.
func (*Controller) File() *os.File { return nil }

// Set returns an error.
func (*Controller) Set([]netip.Addr) error { return errSystem }

// Close does nothing.
func (*Controller) Close() error { return nil }

// Follow returns an error.
func Follow(*os.File, string, func(View)) error { return errSystem }

// Control does nothing: no server is isolated.
func Control(_, _ string, _ syscall.RawConn) error { return nil }
