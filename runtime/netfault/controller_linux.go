package netfault

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// answerLimit is how long a process may take to carry out an order.
const answerLimit = 10 * time.Second

// Switchboard tells the processes of one cluster who is cut off. It may be used from any number of
// goroutines.
type Switchboard struct {
	door   *os.File // what processes inherit
	inside *net.UnixConn

	mu     sync.Mutex
	closed bool
	number int // of the last order
	cut    []netip.Addr
	lines  map[*net.UnixConn]int // to the process's id
}

// New makes a switchboard on which nobody is cut off. Close it.
func New() (*Switchboard, error) {
	inside, door, err := pair()
	if err != nil {
		return nil, err
	}
	conn, err := connection(inside)
	if err != nil {
		door.Close()
		return nil, err
	}
	s := &Switchboard{door: door, inside: conn, lines: map[*net.UnixConn]int{}}
	go s.listen()
	return s, nil
}

// Door is what a process of the cluster has to inherit: Follow takes it.
func (s *Switchboard) Door() *os.File { return s.door }

// listen takes calls until the switchboard is closed. A caller is told at once who is cut off.
func (s *Switchboard) listen() {
	for {
		line, pid, err := accept(s.inside)
		if err != nil {
			return
		}
		if line == nil {
			continue
		}
		s.mu.Lock()
		if s.closed || send(line, order{s.number, s.cut}) != nil {
			line.Close()
		} else {
			s.lines[line] = pid
		}
		s.mu.Unlock()
	}
}

// Set cuts off the servers at these addresses and no other ones. It returns when all processes of the
// cluster, and this one, drop what comes from where it can't come from any more. After an error some do.
func (s *Switchboard) Set(addresses []netip.Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.number++
	s.cut = slices.Clone(addresses)
	type outcome struct {
		line *net.UnixConn
		err  error
	}
	outcomes := make(chan outcome, len(s.lines))
	for line, pid := range s.lines {
		go func() { outcomes <- outcome{line, s.tell(line, pid)} }()
	}
	var errs []error
	for range len(s.lines) {
		o := <-outcomes
		if gone(o.err) {
			o.line.Close()
			delete(s.lines, o.line)
			continue
		}
		errs = append(errs, o.err)
	}
	// Last: nobody takes a new connection of this process by now that isn't to be.
	return errors.Join(append(errs, here.set(s, s.cut))...)
}

// tell gives the last order to one process and waits for its answer.
func (s *Switchboard) tell(line *net.UnixConn, pid int) error {
	if err := line.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return err
	}
	if err := send(line, order{s.number, s.cut}); err != nil {
		return s.untold(pid, err)
	}
	for {
		var a answer
		if err := receive(line, &a); err != nil {
			return s.untold(pid, err)
		}
		switch {
		case a.Number != s.number: // to an earlier order
		case a.Error != "":
			return s.untold(pid, errors.New(a.Error))
		default:
			return nil
		}
	}
}

func (s *Switchboard) untold(pid int, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("it does not answer within %s", answerLimit)
	}
	return fmt.Errorf("process %d of the cluster can't be told who is cut off: %w", pid, err)
}

// Close makes this process hear everybody again. The cluster's processes stay as they are.
func (s *Switchboard) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for line := range s.lines {
		line.Close()
	}
	return errors.Join(s.door.Close(), s.inside.Close(), here.set(s, nil))
}
