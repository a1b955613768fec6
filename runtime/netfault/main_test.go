package netfault

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serverVariable makes the test binary run as the server of a cluster with this address.
const serverVariable = "NETFAULT_TEST_SERVER"

func TestMain(m *testing.M) {
	if own := os.Getenv(serverVariable); own != "" {
		serve(own)
	}
	os.Exit(m.Run())
}

const port = ":7801"

// responseTimeout is the time limit for a response that must arrive, blockedTimeout for one that must not.
const (
	responseTimeout = 5 * time.Second
	blockedTimeout  = 150 * time.Millisecond
)

// serve responds to requests at its port until the end of standard input. An input line is a command: "new ADDRESS
// TIMEOUT" sends a request over a new connection, "kept ADDRESS TIMEOUT" over the kept one, and "received" counts the
// requests that have arrived. Each prints its result in one line.
func serve(own string) {
	if err := Follow(os.NewFile(3, "netfault"), own, nil); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	listener, err := net.Listen("tcp", own+port)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	var received atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go reply(conn, &received)
		}
	}()
	fmt.Println("listening")
	c := client{own: own, kept: map[string]*connection{}}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if words[0] == "received" {
			fmt.Println(received.Load())
			continue
		}
		limit, err := time.ParseDuration(words[2])
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println(c.request(words[1], words[0] == "kept", limit))
	}
	os.Exit(0)
}

// reply sends every line back.
func reply(conn net.Conn, received *atomic.Int64) {
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		received.Add(1)
		if _, err := fmt.Fprintln(conn, lines.Text()); err != nil {
			return
		}
	}
}

// client sends requests to servers from its own address.
type client struct {
	own  string
	kept map[string]*connection
}

// connection is a connection to a server, with the number of its last request.
type connection struct {
	conn   net.Conn
	lines  *bufio.Reader
	number int
}

// request returns "yes" if the server has responded, else the error.
func (c *client) request(address string, keep bool, limit time.Duration) string {
	to := c.kept[address]
	if !keep || to == nil {
		dialer := net.Dialer{Timeout: limit, Control: Control}
		if c.own != "" {
			dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.own)}
		}
		conn, err := dialer.Dial("tcp", address+port)
		if err != nil {
			return err.Error()
		}
		to = &connection{conn: conn, lines: bufio.NewReader(conn)}
		if !keep {
			defer conn.Close()
		} else {
			c.kept[address] = to
		}
	}
	to.number++
	if err := to.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err.Error()
	}
	if _, err := fmt.Fprintln(to.conn, to.number); err != nil {
		return err.Error()
	}
	for {
		line, err := to.lines.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		if line == fmt.Sprintln(to.number) { // else the response to an earlier request
			return "yes"
		}
	}
}

// server is a process of a cluster.
type server struct {
	t     *testing.T
	own   string
	cmd   *exec.Cmd
	in    io.Writer
	lines *bufio.Reader
}

// startServer starts a server that ends with the test.
func startServer(t *testing.T, c *Controller, own string) *server {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVariable+"="+own)
	cmd.ExtraFiles = []*os.File{c.File()}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := &server{t, own, cmd, in, bufio.NewReader(out)}
	if line := p.line(); line != "listening" {
		t.Fatalf("the server on %s: %s", own, line)
	}
	return p
}

func (p *server) line() string {
	p.t.Helper()
	line, err := p.lines.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the server on %s: %v", p.own, err)
	}
	return strings.TrimSpace(line)
}

// request sends a request to another server over a connection that is "kept" or "new".
func (p *server) request(other *server, kind string, limit time.Duration) string {
	p.t.Helper()
	return p.do(kind, other.own, limit)
}

// received returns how many requests have reached the server.
func (p *server) received() string {
	p.t.Helper()
	return p.do("received")
}

func (p *server) do(words ...any) string {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, words...); err != nil {
		p.t.Fatal(err)
	}
	return p.line()
}

// newController returns a controller that is closed when the test ends.
func newController(t *testing.T) *Controller {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// isolate isolates these servers and no others.
func isolate(t *testing.T, c *Controller, servers ...*server) {
	t.Helper()
	var addresses []netip.Addr
	for _, p := range servers {
		addresses = append(addresses, netip.MustParseAddr(p.own))
	}
	if err := c.Set(addresses); err != nil {
		t.Fatal(err)
	}
}
