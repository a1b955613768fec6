package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// code returns the code of a refusal.
func code(err error) string {
	var r *wire.Result
	if !errors.As(err, &r) {
		return ""
	}
	return r.Code
}

// occupy listens on a node's address until the test ends.
func occupy(t *testing.T, host string, port int) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func TestPorts_NameHolderAndNextFreePair(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	nodes := c.spread("orders", 1, 2)
	occupy(t, s.host, 7862)
	err := s.CheckPorts("Orders", nodes)
	if code(err) != wire.CodePortTaken {
		t.Fatalf("error %v, want port_taken", err)
	}
	comm, readErr := os.ReadFile("/proc/self/comm")
	if readErr != nil {
		t.Fatal(readErr)
	}
	r := err.(*wire.Result)
	if want := fmt.Sprintf("%s:7862 is taken by %s (pid %d)", s.host, strings.TrimSpace(string(comm)), os.Getpid()); r.Message != want {
		t.Errorf("message %q, want %q", r.Message, want)
	}
	// 7812 and 7862 would be the next, but 7862 is taken: two instances need 7813, 7814 and 7863, 7864.
	if want := fmt.Sprintf("the next free pair on %s is clustron port 7813, client port 7863", s.host); r.Hint != want {
		t.Errorf("hint %q, want %q", r.Hint, want)
	}
	if r.StatusCode != 409 {
		t.Errorf("status %d, want 409", r.StatusCode)
	}

	// The start is refused, records nothing, and does not touch the holder.
	c.create("Orders", nodes)
	if _, err := s.Start(context.Background(), "Orders", "orders-2"); code(err) != wire.CodePortTaken {
		t.Errorf("start: %v, want port_taken", err)
	}
	if now := s.instance("Orders", "orders-2"); now.Status != wire.Stopped || now.Desired != wire.DesiredStopped {
		t.Errorf("after the refused start: %s, desired %s", now.Status, now.Desired)
	}
	s.mustStart("Orders", "orders-1")
}

func TestPorts_OfOtherStoresAreTaken(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 2))
	nodes := []wire.Node{{Name: "stock-1", Host: s.host, ClustronPort: 7861, ClientPort: 7900}}
	err := s.CheckPorts("Stock", nodes)
	if code(err) != wire.CodePortTaken || !strings.Contains(err.Error(), s.host+":7861 belongs to instance orders-1 of store Orders") {
		t.Errorf("error %v, want port_taken that names instance and store", err)
	}
	if err := s.CheckPorts("Stock", []wire.Node{{Name: "stock-1", Host: c.servers[1].host, ClustronPort: 1, ClientPort: 2}}); err != nil {
		t.Errorf("another server's node: %v", err)
	}
	if err := s.CheckPorts("Stock", []wire.Node{s.node("stock-1", 1)}); err != nil {
		t.Errorf("free ports: %v", err)
	}
}

func TestPorts_TakenWhileRestarting(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	s.close()
	occupy(t, s.host, 7811)
	s.open()
	s.change(func(d *catalog.Data) { d.Stores["Orders"].Local["orders-1"].Desired = wire.DesiredRunning })
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		now := s.instance("Orders", "orders-1")
		return strings.Contains(now.LastError, s.host+":7811 is taken by"), describe([]wire.Instance{now})
	})
}

func TestPorts_PortWithoutAnOwner(t *testing.T) {
	t.Parallel()
	if h := PortHolder("127.22.250.1", 7999); h != "" {
		t.Errorf("holder of a free port: %q", h)
	}
	occupy(t, "127.22.250.2", 7999)
	if h := PortHolder("127.22.250.1", 7999); h != "" {
		t.Errorf("holder of another address's port: %q", h)
	}
	if h := PortHolder("", 7999); !strings.Contains(h, fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("holder of the port on any address: %q", h)
	}
}

// A refusal costs little, however many ports are taken. Changes of the catalog wait for it.
func TestPorts_ManyTakenPortsAreRefusedSoon(t *testing.T) {
	const ip, count = "127.42.9.9", 256
	var nodes []wire.Node
	for i := range count {
		n := wire.Node{Name: fmt.Sprintf("n-%d", i), Host: ip, ClustronPort: 10001 + 2*i, ClientPort: 10002 + 2*i}
		occupy(t, ip, n.ClustronPort)
		occupy(t, ip, n.ClientPort)
		nodes = append(nodes, n)
	}
	check := newPortCheck(nil, ip, func(wire.Node) bool { return true })
	tries := 0
	if check.freeAt("S", nodes, 1, &tries); tries > 2*count {
		t.Errorf("%d ports were tried", tries)
	}
	looked := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if r := check.refusal("S", nodes); r == nil || r.Code != wire.CodePortTaken {
				b.Fatal(r)
			}
		}
	})
	one := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			PortHolder(ip, 10001)
		}
	})
	if looked.NsPerOp() > 20*one.NsPerOp() {
		t.Errorf("a refusal takes as long as %d searches for the holder of a port", looked.NsPerOp()/one.NsPerOp())
	}
}
