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

// serverVariable makes the test binary a server of a cluster, with the address that it names.
const serverVariable = "CUT_TEST_SERVER"

func TestMain(m *testing.M) {
	if own := os.Getenv(serverVariable); own != "" {
		serve(own)
	}
	os.Exit(m.Run())
}

const port = ":7801"

// How long a question may go without its answer: one that is to be answered, and one that isn't.
const (
	patience = 5 * time.Second
	glance   = 150 * time.Millisecond
)

// serve answers questions at its port until standard input is at its end; a line there is "new ADDRESS
// PATIENCE" or "kept ADDRESS PATIENCE", whom to ask over which connection, or "heard". It says what came of it.
func serve(own string) {
	if err := Follow(os.NewFile(3, "door"), own, nil); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	listener, err := net.Listen("tcp", own+port)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	var heard atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go reply(conn, &heard)
		}
	}()
	fmt.Println("listening")
	a := asker{own: own, kept: map[string]*question{}}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if words[0] == "heard" {
			fmt.Println(heard.Load())
			continue
		}
		limit, err := time.ParseDuration(words[2])
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println(a.ask(words[1], words[0] == "kept", limit))
	}
	os.Exit(0)
}

// reply gives every line back.
func reply(conn net.Conn, heard *atomic.Int64) {
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		heard.Add(1)
		if _, err := fmt.Fprintln(conn, lines.Text()); err != nil {
			return
		}
	}
}

// asker asks servers from its own address.
type asker struct {
	own  string
	kept map[string]*question
}

// question is a connection over which things are asked.
type question struct {
	conn   net.Conn
	lines  *bufio.Reader
	number int
}

// ask returns "yes" when the server has answered.
func (a *asker) ask(address string, keep bool, limit time.Duration) string {
	q := a.kept[address]
	if !keep || q == nil {
		dialer := net.Dialer{Timeout: limit, Control: Control}
		if a.own != "" {
			dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(a.own)}
		}
		conn, err := dialer.Dial("tcp", address+port)
		if err != nil {
			return err.Error()
		}
		q = &question{conn: conn, lines: bufio.NewReader(conn)}
		if !keep {
			defer conn.Close()
		} else {
			a.kept[address] = q
		}
	}
	q.number++
	if err := q.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err.Error()
	}
	if _, err := fmt.Fprintln(q.conn, q.number); err != nil {
		return err.Error()
	}
	for {
		line, err := q.lines.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		if line == fmt.Sprintln(q.number) { // not one to an earlier question
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
func startServer(t *testing.T, s *Switchboard, own string) *server {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVariable+"="+own)
	cmd.ExtraFiles = []*os.File{s.Door()}
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
	if said := p.said(); said != "listening" {
		t.Fatalf("the server on %s: %s", own, said)
	}
	return p
}

func (p *server) said() string {
	p.t.Helper()
	line, err := p.lines.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the server on %s: %v", p.own, err)
	}
	return strings.TrimSpace(line)
}

// ask asks another server over a connection that is "kept" or "new".
func (p *server) ask(other *server, kind string, limit time.Duration) string {
	p.t.Helper()
	return p.do(kind, other.own, limit)
}

// heard is how many questions have reached the server.
func (p *server) heard() string {
	p.t.Helper()
	return p.do("heard")
}

func (p *server) do(order ...any) string {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, order...); err != nil {
		p.t.Fatal(err)
	}
	return p.said()
}

// switchboard is closed with the test.
func switchboard(t *testing.T) *Switchboard {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// cutOff cuts servers off.
func cutOff(t *testing.T, s *Switchboard, servers ...*server) {
	t.Helper()
	var addresses []netip.Addr
	for _, p := range servers {
		addresses = append(addresses, netip.MustParseAddr(p.own))
	}
	if err := s.Set(addresses); err != nil {
		t.Fatal(err)
	}
}
