package netfault

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// sweepEvery is the pace of looking for sockets that a process has opened since, while anybody is cut off.
const sweepEvery = 50 * time.Millisecond

// Follow opens a line to the switchboard behind an inherited door, and does what it says until the process
// ends. It returns once the first order is carried out: call it before the process listens. own is the
// process's address. Where changed isn't nil, it is called with every order, and once a sweep while
// anybody is cut off, always before packets are filtered.
func Follow(door *os.File, own string, changed func(View)) error {
	f := &follower{changed: changed}
	var err error
	if f.view.Own, err = netip.ParseAddr(own); err != nil || !f.view.Own.Is4() {
		return fmt.Errorf("a server of a cluster that can be cut needs an IPv4 address to listen on, not %q", own)
	}
	if f.line, err = call(door); err != nil {
		return fmt.Errorf("the runner doesn't take the call of its cluster's process: %w", err)
	}
	if err := f.next(); err != nil {
		f.line.Close()
		return fmt.Errorf("the runner doesn't say which servers are cut off: %w", err)
	}
	if f.failed != nil {
		f.line.Close()
		return f.failed
	}
	go f.run()
	return nil
}

// follower is the process's end of a line.
type follower struct {
	line    *net.UnixConn
	view    View
	changed func(View)
	failed  error // a sweep's: from then on the process can't be relied on
}

// run ends with the runner, which is the end of the process as well.
func (f *follower) run() {
	defer f.line.Close()
	for {
		var until time.Time // for ever
		if len(f.view.Cut) > 0 {
			until = time.Now().Add(sweepEvery)
		}
		if f.line.SetReadDeadline(until) != nil {
			return
		}
		switch err := f.next(); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			f.apply()
		case err != nil:
			return
		}
	}
}

// next carries out an order and answers it.
func (f *follower) next() error {
	var o order
	if err := receive(f.line, &o); err != nil {
		return err
	}
	f.view.Cut = o.Cut
	f.apply()
	a := answer{Number: o.Number}
	if f.failed != nil {
		a.Error = f.failed.Error()
	}
	return send(f.line, a)
}

func (f *follower) apply() {
	if f.changed != nil {
		f.changed(f.view)
	}
	if err := sweep(filter(f.view)); err != nil {
		f.failed = err
	}
}
