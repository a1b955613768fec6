package fleet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// part is the managers of a plan that one process runs.
type part struct {
	plan      Plan
	stores    stores
	listeners []net.Listener

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
		p.listeners = append(p.listeners, listener)
		go p.accept(listener, fault)
	}
	return nil
}

func (p *part) close() {
	for _, l := range p.listeners {
		l.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for c := range p.conns {
		c.Close()
	}
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
func (p *part) accept(listener net.Listener, fault Fault) {
	manager := listener.Addr().String()
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
				p.converse(c, manager, fault)
			}
		}()
	}
}

// converse answers request after request until the client hangs up.
func (p *part) converse(c net.Conn, manager string, fault Fault) {
	in := bufio.NewReaderSize(c, 2<<10)
	for {
		r, err := readRequest(in)
		if err != nil {
			return
		}
		if fault == Stall && r.method != http.MethodGet {
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
		status, body := p.stores.answer(p.plan, manager, r)
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

// request is what a fake manager takes notice of.
type request struct {
	method, path string
	gzipped      bool
	body         []byte
}

// readRequest reads the requests of the clients at hand: HTTP/1.1 with lines under 2 KB and bodies of
// a known length. net/http would take as long over each as the client that is measured.
func readRequest(in *bufio.Reader) (*request, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(line))
	if len(words) != 3 {
		return nil, fmt.Errorf("%q is no request", line)
	}
	r := &request{method: words[0], path: words[1]}
	length := 0
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return nil, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return nil, err
			}
		case bytes.EqualFold(name, []byte("Content-Encoding")):
			r.gzipped = string(value) == "gzip"
		}
	}
	if length > 0 {
		r.body = make([]byte, length)
		_, err = io.ReadFull(in, r.body)
	}
	return r, err
}
