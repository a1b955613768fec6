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

// ackTimeout is how long a process may take to apply an update.
const ackTimeout = 10 * time.Second

// Controller tells the processes of one cluster which servers are isolated. It is safe for concurrent use.
type Controller struct {
	file   *os.File // inherited by the processes
	socket *net.UnixConn

	mu       sync.Mutex
	closed   bool
	number   int // of the last update
	isolated []netip.Addr
	pids     map[*net.UnixConn]int // the process at the other end of each connection
}

// New returns a controller with no server isolated. The caller must close it.
func New() (*Controller, error) {
	socket, file, err := socketPair()
	if err != nil {
		return nil, err
	}
	conn, err := toConn(socket)
	if err != nil {
		file.Close()
		return nil, err
	}
	c := &Controller{file: file, socket: conn, pids: map[*net.UnixConn]int{}}
	go c.listen()
	return c, nil
}

// File returns the socket that each process of the cluster inherits and passes to Follow.
func (c *Controller) File() *os.File { return c.file }

// listen accepts connections until the controller is closed, and sends each of them the current update at once.
func (c *Controller) listen() {
	for {
		conn, pid, err := accept(c.socket)
		if err != nil {
			return
		}
		if conn == nil {
			continue
		}
		c.mu.Lock()
		if c.closed || send(conn, update{c.number, c.isolated}) != nil {
			conn.Close()
		} else {
			c.pids[conn] = pid
		}
		c.mu.Unlock()
	}
}

// Set isolates the servers at these addresses and no others. It returns when all processes of the cluster, and this
// process, drop the packets concerned. After an error, some of them may not.
func (c *Controller) Set(addresses []netip.Addr) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.number++
	c.isolated = slices.Clone(addresses)
	type outcome struct {
		conn *net.UnixConn
		err  error
	}
	outcomes := make(chan outcome, len(c.pids))
	for conn, pid := range c.pids {
		go func() { outcomes <- outcome{conn, c.notify(conn, pid)} }()
	}
	var errs []error
	for range len(c.pids) {
		o := <-outcomes
		if disconnected(o.err) {
			o.conn.Close()
			delete(c.pids, o.conn)
			continue
		}
		errs = append(errs, o.err)
	}
	// This process comes last: by now no isolated server accepts a new connection from it.
	return errors.Join(append(errs, thisProcess.set(c, c.isolated))...)
}

// notify sends the current update to a process and waits until it is acknowledged.
func (c *Controller) notify(conn *net.UnixConn, pid int) error {
	if err := conn.SetDeadline(time.Now().Add(ackTimeout)); err != nil {
		return err
	}
	if err := send(conn, update{c.number, c.isolated}); err != nil {
		return notifyError(pid, err)
	}
	for {
		var a ack
		if err := receive(conn, &a); err != nil {
			return notifyError(pid, err)
		}
		switch {
		case a.Number != c.number: // of an earlier update
		case a.Error != "":
			return notifyError(pid, errors.New(a.Error))
		default:
			return nil
		}
	}
}

func notifyError(pid int, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", ackTimeout)
	}
	return fmt.Errorf("process %d of the cluster did not apply the network fault: %w", pid, err)
}

// Close ends the isolation for the sockets of this process. The cluster's processes keep their filters.
func (c *Controller) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.pids {
		conn.Close()
	}
	return errors.Join(c.file.Close(), c.socket.Close(), thisProcess.set(c, nil))
}
