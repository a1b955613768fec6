package netfault

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// rescanInterval is how often a process looks for new sockets while any server is isolated.
const rescanInterval = 50 * time.Millisecond

// Follow connects to the controller behind an inherited socket, and applies its updates until the process ends. It
// returns when the first update is applied: call it before the process listens. own is the address of the process's
// server. If changed isn't nil, it is called at every update, and at every rescan while any server is isolated, always
// before packets are filtered.
func Follow(controller *os.File, own string, changed func(View)) error {
	f := &follower{changed: changed}
	var err error
	if f.view.Own, err = netip.ParseAddr(own); err != nil || !f.view.Own.Is4() {
		return fmt.Errorf("network faults need an IPv4 address to listen on, not %q", own)
	}
	if f.conn, err = dial(controller); err != nil {
		return fmt.Errorf("connect to the runner for network faults: %w", err)
	}
	if err := f.next(); err != nil {
		f.conn.Close()
		return fmt.Errorf("receive network faults from the runner: %w", err)
	}
	if f.failed != nil {
		f.conn.Close()
		return f.failed
	}
	go f.run()
	return nil
}

// follower is a process's end of the connection to the controller.
type follower struct {
	conn    *net.UnixConn
	view    View
	changed func(View)
	failed  error // the error of apply; never reset, because from then on some socket may lack the filter
}

// run ends when the runner ends; the process then ends as well.
func (f *follower) run() {
	defer f.conn.Close()
	for {
		var until time.Time // no deadline
		if len(f.view.Isolated) > 0 {
			until = time.Now().Add(rescanInterval)
		}
		if f.conn.SetReadDeadline(until) != nil {
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

// next receives an update, applies it and acknowledges it.
func (f *follower) next() error {
	var u update
	if err := receive(f.conn, &u); err != nil {
		return err
	}
	f.view.Isolated = u.Isolated
	f.apply()
	a := ack{Number: u.Number}
	if f.failed != nil {
		a.Error = f.failed.Error()
	}
	return send(f.conn, a)
}

func (f *follower) apply() {
	if f.changed != nil {
		f.changed(f.view)
	}
	if err := filterSockets(filter(f.view)); err != nil {
		f.failed = err
	}
}
