package local

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// ownInstance returns the store's instance of a server, as the server's manager reports it to a request from that
// server.
func ownInstance(t *testing.T, c *Cluster, i int) wire.Instance {
	t.Helper()
	host, _, err := net.SplitHostPort(c.Endpoints()[i])
	if err != nil {
		t.Fatal(err)
	}
	response, err := askFrom(host, "http://"+c.Endpoints()[i]+wire.StorePath("orders"), "")
	if err != nil {
		t.Fatalf("the manager of server %d does not answer a request from that server: %s", i+1, response)
	}
	var s wire.Store
	if err := json.Unmarshal([]byte(response), &s); err != nil {
		t.Fatal(err)
	}
	for _, in := range s.Instances {
		if in.Own {
			return in
		}
	}
	t.Fatalf("the manager of server %d reports no instance of that server: %s", i+1, response)
	return wire.Instance{}
}

// leader waits until an instance of one of these servers leads the store, and returns that server.
func leader(t *testing.T, c *Cluster, among ...int) int {
	t.Helper()
	found := -1
	poll(t, 20*time.Second, "an instance leads the store", func() bool {
		for _, i := range among {
			if in := ownInstance(t, c, i); in.Leader && in.Ready {
				found = i
				return true
			}
		}
		return false
	})
	return found
}

// at returns the store with requests to the instance of one server.
func (s *store) at(i int) *store { return &store{s.nodes[i : i+1]} }

func cutServer(t *testing.T, c *Cluster, i int) {
	t.Helper()
	if err := c.Cut(i); err != nil {
		t.Fatal(err)
	}
}

func healServer(t *testing.T, c *Cluster, i int) {
	t.Helper()
	if err := c.Heal(i); err != nil {
		t.Fatal(err)
	}
}

// A leader that is cut off keeps running but takes no writes; the other servers elect a new leader.
func TestLocal_CutLeader(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Servers: 3})
	s := runStore(t, c.Endpoints(), 1)
	old := leader(t, c, 0, 1, 2)
	var rest []int
	for i := range 3 {
		if i != old {
			rest = append(rest, i)
		}
	}
	pid := ownInstance(t, c, old).PID
	if response, err := putFrom(s.nodes[old], "before", "kept"); err != nil {
		t.Fatalf("the leader takes no write before it is cut off: %s", response)
	}
	cutServer(t, c, old)
	// Immediately, while it still leads: one message to a follower would be enough to commit the write.
	if response, err := putFrom(s.nodes[old], "alone", "?"); err == nil {
		t.Errorf("the leader that is cut off has taken a write: %s", response)
	}
	if answers(c.Endpoints()[old]) {
		t.Error("the manager that is cut off answers")
	}
	if now := leader(t, c, rest...); now == old {
		t.Error("no other instance has become the leader")
	}
	for _, i := range rest {
		poll(t, 20*time.Second, "the others take writes", func() bool { return s.at(i).put("during", "kept") == nil })
	}
	poll(t, 20*time.Second, "the instance that is cut off is no longer the leader", func() bool {
		in := ownInstance(t, c, old)
		return !in.Ready && !in.Leader
	})
	if in := ownInstance(t, c, old); in.Status != wire.Running || in.PID != pid {
		t.Errorf("the instance that is cut off does not run as before: %+v", in)
	}

	healServer(t, c, old)
	poll(t, 30*time.Second, "the healed server's manager answers", func() bool { return answers(c.Endpoints()[old]) })
	poll(t, 30*time.Second, "the healed server has the write made during the cut", func() bool { return s.at(old).get("during") == "kept" })
	if got := s.at(old).get("alone"); got != "" {
		t.Errorf("the store has a write of the leader that was cut off: %q", got)
	}
	if in := ownInstance(t, c, old); in.PID != pid {
		t.Errorf("the instance was restarted: %+v", in)
	}
}

// Servers that are cut off do not reach each other either.
func TestLocal_CutSeveral(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Servers: 3})
	s := runStore(t, c.Endpoints(), 1)
	cutServer(t, c, 0)
	cutServer(t, c, 2)
	for _, i := range []int{0, 1, 2} {
		poll(t, 20*time.Second, "no server has a quorum", func() bool { return !ownInstance(t, c, i).Ready })
	}
	if answers(c.Endpoints()[0]) || !answers(c.Endpoints()[1]) || answers(c.Endpoints()[2]) {
		t.Error("the first or the third manager answers, or the second doesn't")
	}
	healServer(t, c, 0)
	poll(t, 30*time.Second, "two of three servers take writes", func() bool { return s.at(1).put("two", "kept") == nil })
	if answers(c.Endpoints()[2]) {
		t.Error("the third manager answers")
	}
	healServer(t, c, 2)
	healServer(t, c, 2) // the second call does nothing
	poll(t, 30*time.Second, "the third catches up", func() bool { return s.at(2).get("two") == "kept" })
}

func TestLocal_CutAndRestart(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Servers: 3})
	s := runStore(t, c.Endpoints(), 1)
	cutServer(t, c, 1)
	if err := c.Kill(1); err != nil {
		t.Fatal(err)
	}
	if err := s.put("during", "kept"); err != nil {
		poll(t, 20*time.Second, "the others take a write", func() bool { return s.put("during", "kept") == nil })
	}
	if err := c.Restart(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	poll(t, 20*time.Second, "its instance runs again", func() bool { return ownInstance(t, c, 1).Status == wire.Running })
	if answers(c.Endpoints()[1]) || s.at(1).get("during") != "" || ownInstance(t, c, 1).Ready {
		t.Error("the restarted server is not cut off")
	}
	healServer(t, c, 1)
	poll(t, 30*time.Second, "the restarted server catches up", func() bool { return s.at(1).get("during") == "kept" })
}

func TestLocal_CutAndPause(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Servers: 2})
	refused := func(err error, want string) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	pause := func() {
		t.Helper()
		if err := c.Pause(0); err != nil {
			t.Fatal(err)
		}
	}
	pause()
	refused(c.Cut(1), "no server can be cut off while server 1 is paused: resume it first")
	if err := c.Resume(0); err != nil {
		t.Fatal(err)
	}
	if !answers(c.Endpoints()[1]) {
		t.Error("the refused cut has an effect")
	}
	cutServer(t, c, 1)
	if answers(c.Endpoints()[1]) {
		t.Error("the server that is cut off answers")
	}
	pause()
	refused(c.Heal(1), "no server can be healed while server 1 is paused: resume it first")
	if err := c.Resume(0); err != nil {
		t.Fatal(err)
	}
	if answers(c.Endpoints()[1]) {
		t.Error("the refused heal has an effect")
	}
	healServer(t, c, 1)
	poll(t, 20*time.Second, "the healed server answers", func() bool { return answers(c.Endpoints()[1]) })
}

// Filters can't distinguish servers that share an address.
func TestLocal_CutNeedsAddresses(t *testing.T) {
	c := &Cluster{endpoints: []string{"127.0.0.1:17801", "127.0.0.1:17802"}, cut: map[int]bool{}}
	if err := c.Cut(0); err == nil || !strings.Contains(err.Error(), "all servers have the same address 127.0.0.1") {
		t.Errorf("got %v", err)
	}
	if err := c.Heal(0); err != nil {
		t.Errorf("healing a server that isn't cut off: %v", err)
	}
}

// The processes of a server that is cut off end when the runner is killed.
func TestLocal_RunnerKilledDuringACut(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd, endpoints := startRunner(t, temp, "")
	runStore(t, endpoints, 1)
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil { // the runner then cuts off the first server
		t.Fatal(err)
	}
	poll(t, 20*time.Second, "the server is cut off", func() bool { return !answers(endpoints[0]) })
	kill(t, cmd.Process.Pid)
	gone(t, 10*time.Second, temp, endpoints)
}

// Close takes no longer when a server is cut off.
func TestLocal_CloseDuringACut(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	c := start(t, Options{Servers: 3, TempDir: temp})
	runStore(t, c.Endpoints(), 1)
	cutServer(t, c, leader(t, c, 0, 1, 2))
	began := time.Now()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > exitTime {
		t.Errorf("with a server cut off Close took %s", took)
	}
	gone(t, time.Second, temp, c.Endpoints())
}
