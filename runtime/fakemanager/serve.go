package fakemanager

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"dkvrun/runtime/wire"
)

// group runs those managers of a plan that live in this process.
type group struct {
	plan      Plan
	seeded    *wire.Configuration
	list      []byte // the stores as seen by a manager that has only the seeded store, without an instance
	changes   changes
	managers  []*manager
	listeners []net.Listener
	resolving sync.WaitGroup
	stop      context.CancelFunc
	secure    func(manager int) *tls.Config // nil for plain managers

	mu    sync.Mutex // guards the fields below
	ended bool
	conns map[net.Conn]struct{}
}

// Serve runs all managers of a plan in this process until stop is called, which closes all connections.
func Serve(plan Plan) (stop func(), err error) {
	g := &group{plan: plan}
	if err := g.listen(0, plan.Count); err != nil {
		return nil, err
	}
	return g.close, nil
}

// listen opens the listeners of the managers from first up to, not including, last.
func (g *group) listen(first, last int) error {
	var ctx context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	g.seeded = seededConfiguration(g.plan)
	seeded := &entry{StoreState: wire.StoreState{Store: Seeded, Configuration: g.seeded}, seeded: true}
	g.list = encode([]*wire.Store{(&manager{}).view(seeded)})
	for i := first; i < last; i++ {
		fault := g.plan.Fault(i)
		if fault == Refuse {
			continue
		}
		listener, err := net.Listen("tcp", g.plan.Address(i))
		if err != nil {
			g.close()
			return fmt.Errorf("manager %d of %d: %w", i+1, g.plan.Count, err)
		}
		if g.secure != nil {
			listener = tls.NewListener(listener, g.secure(i))
		}
		m := newManager(g, i)
		g.listeners, g.managers = append(g.listeners, listener), append(g.managers, m)
		go g.accept(ctx, listener, m, fault)
	}
	g.resolving.Go(func() { g.resolve(ctx) })
	return nil
}

func (g *group) close() {
	g.stop()
	for _, l := range g.listeners {
		l.Close()
	}
	g.mu.Lock()
	g.ended = true
	for c := range g.conns {
		c.Close()
	}
	g.mu.Unlock()
	g.resolving.Wait()
}

// keep registers a connection. It returns false when the group is closed.
func (g *group) keep(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns == nil {
		g.conns = map[net.Conn]struct{}{}
	}
	g.conns[c] = struct{}{}
	return !g.ended
}

func (g *group) drop(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	c.Close()
}

// accept serves a manager's connections. One process runs thousands of managers, so it can run out of descriptors for a
// moment; accept tries again until clients have closed some.
func (g *group) accept(ctx context.Context, listener net.Listener, m *manager, fault Fault) {
	for {
		c, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go func() {
			defer g.drop(c)
			if g.keep(c) {
				g.converse(ctx, c, m, fault)
			}
		}()
	}
}

// converse answers the requests of a connection until the client closes it.
func (g *group) converse(ctx context.Context, c net.Conn, m *manager, fault Fault) {
	in := bufio.NewReaderSize(c, 2<<10)
	for {
		r, err := readRequest(in)
		if err != nil {
			return
		}
		if fault == Stall && !g.asks(r) {
			fault = Hang
		}
		switch fault {
		case Hang:
			io.Copy(io.Discard, c)
			return
		case Drip:
			drip(c)
			return
		case Garbage:
			io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n\r\n")
			return
		case Reset:
			if raw, plain := c.(*net.TCPConn); plain {
				raw.SetLinger(0)
			}
			return
		case Stranger:
			io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nNo page.\r\n")
			continue
		case Slow:
			time.Sleep(slowDelay)
		default:
			time.Sleep(g.plan.Delay)
		}
		status, body := m.answer(ctx, r)
		head := "HTTP/1.1 " + strconv.Itoa(status) + " .\r\n" + wire.ManagerHeader + ": " + m.identity
		if m.suspect {
			head += "\r\n" + wire.HealthHeader + ": " + string(wire.HealthDegraded)
		}
		head += "\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
		if _, err := c.Write(append([]byte(head), body...)); err != nil {
			return
		}
	}
}

// drip sends bytes faster than any single read times out, and never ends.
func drip(c net.Conn) {
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
	for err == nil {
		time.Sleep(50 * time.Millisecond)
		_, err = io.WriteString(c, " ")
	}
}
