package fakemanager

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"dkvrun/runtime/wire"
)

// part is the managers of a plan that one process runs.
type part struct {
	plan      Plan
	seeded    *wire.Configuration
	list      []byte // the answer of a manager that has no more than the seeded store, and nothing of it
	changes   changes
	managers  []*manager
	listeners []net.Listener
	resolving sync.WaitGroup
	stop      context.CancelFunc

	mu    sync.Mutex // guards what follows
	ended bool
	conns map[net.Conn]struct{}
}

// Serve runs a whole plan within this process until stop is called, which closes all connections.
func Serve(plan Plan) (stop func(), err error) {
	p := &part{plan: plan}
	if err := p.listen(0, plan.Count); err != nil {
		return nil, err
	}
	return p.close, nil
}

// listen opens the listeners of the managers from first to last, last not included.
func (p *part) listen(first, last int) error {
	var ctx context.Context
	ctx, p.stop = context.WithCancel(context.Background())
	p.seeded = seededConfiguration(p.plan)
	p.list = encode([]*wire.Store{(&manager{}).view(&entry{StoreState: wire.StoreState{Store: Seeded,
		Configuration: p.seeded}, seeded: true})})
	for i := first; i < last; i++ {
		fault := p.plan.Fault(i)
		if fault == Refuse {
			continue
		}
		listener, err := net.Listen("tcp", p.plan.Address(i))
		if err != nil {
			p.close()
			return fmt.Errorf("manager %d of %d: %w", i+1, p.plan.Count, err)
		}
		m := newManager(p, i)
		p.listeners, p.managers = append(p.listeners, listener), append(p.managers, m)
		go p.accept(ctx, listener, m, fault)
	}
	p.resolving.Go(func() { p.resolve(ctx) })
	return nil
}

func (p *part) close() {
	p.stop()
	for _, l := range p.listeners {
		l.Close()
	}
	p.mu.Lock()
	p.ended = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.resolving.Wait()
}

// keep remembers a connection; it is false when all is over.
func (p *part) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		p.conns = map[net.Conn]struct{}{}
	}
	p.conns[c] = struct{}{}
	return !p.ended
}

func (p *part) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}

// accept serves a manager's connections. One process runs thousands of managers, so it can be out of
// descriptors for a moment; it goes on when clients have closed some.
func (p *part) accept(ctx context.Context, listener net.Listener, m *manager, fault Fault) {
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
			defer p.drop(c)
			if p.keep(c) {
				p.converse(ctx, c, m, fault)
			}
		}()
	}
}

// converse answers request after request until the client hangs up.
func (p *part) converse(ctx context.Context, c net.Conn, m *manager, fault Fault) {
	in := bufio.NewReaderSize(c, 2<<10)
	for {
		r, err := readRequest(in)
		if err != nil {
			return
		}
		if fault == Stall && !p.asks(r) {
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
			c.(*net.TCPConn).SetLinger(0)
			return
		case Stranger:
			io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nNo page.\r\n")
			continue
		case Slow:
			time.Sleep(SlowDelay)
		default:
			time.Sleep(p.plan.Delay)
		}
		status, body := m.answer(ctx, r)
		head := "HTTP/1.1 " + strconv.Itoa(status) + " .\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
		if _, err := c.Write(append([]byte(head), body...)); err != nil {
			return
		}
	}
}

// drip answers faster than any single read times out, and never comes to an end.
func drip(c net.Conn) {
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
	for err == nil {
		time.Sleep(50 * time.Millisecond)
		_, err = io.WriteString(c, " ")
	}
}
