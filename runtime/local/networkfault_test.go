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

// ownInstance is what the manager of a server says, asked from there, of the store's instance there.
func ownInstance(t *testing.T, c *Cluster, i int) wire.Instance {
	t.Helper()
	host, _, err := net.SplitHostPort(c.Endpoints()[i])
	if err != nil {
		t.Fatal(err)
	}
	said, err := askFrom(host, "http://"+c.Endpoints()[i]+wire.StorePath("orders"), "")
	if err != nil {
		t.Fatalf("server %d is not even there for itself: %s", i+1, said)
	}
	var s wire.Store
	if err := json.Unmarshal([]byte(said), &s); err != nil {
		t.Fatal(err)
	}
	for _, in := range s.Instances {
		if in.Own {
			return in
		}
	}
	t.Fatalf("server %d knows of no instance of its own: %s", i+1, said)
	return wire.Instance{}
}

// leader is the server whose instance leads the store.
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

// at is the store by way of one of its instances.
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

// The leader's server goes on by itself and changes nothing any more; the others go on without it.
func TestLocal_CutLeader(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Servers: 3})
	s := runStore(t, c.Endpoints(), 1)
	was := leader(t, c, 0, 1, 2)
	var rest []int
	for i := range 3 {
		if i != was {
			rest = append(rest, i)
		}
	}
	pid := ownInstance(t, c, was).PID
	if said, err := putFrom(s.nodes[was], "before", "kept"); err != nil {
		t.Fatalf("the leader takes no write before it is cut off: %s", said)
	}
	cutServer(t, c, was)
	// At once, while it leads: one message to a follower would be enough for it to be taken.
	if said, err := putFrom(s.nodes[was], "alone", "?"); err == nil {
		t.Errorf("the leader that is cut off has taken a write: %s", said)
	}
	if answers(c.Endpoints()[was]) {
		t.Error("the manager that is cut off answers")
	}
	if now := leader(t, c, rest...); now == was {
		t.Error("no other instance has become the leader")
	}
	for _, i := range rest {
		poll(t, 20*time.Second, "the others take writes", func() bool { return s.at(i).put("during", "kept") == nil })
	}
	poll(t, 20*time.Second, "the instance that is cut off leads no more", func() bool {
		in := ownInstance(t, c, was)
		return !in.Ready && !in.Leader
	})
	if in := ownInstance(t, c, was); in.Status != wire.Running || in.PID != pid {
		t.Errorf("the instance that is cut off is no more what it was: %+v", in)
	}

	healServer(t, c, was)
	poll(t, 30*time.Second, "the healed server's manager answers", func() bool { return answers(c.Endpoints()[was]) })
	poll(t, 30*time.Second, "what was written meanwhile is read from it", func() bool { return s.at(was).get("during") == "kept" })
	if got := s.at(was).get("alone"); got != "" {
		t.Errorf("the write of a leader that was cut off is there: %q", got)
	}
	if in := ownInstance(t, c, was); in.PID != pid {
		t.Errorf("the instance was restarted: %+v", in)
	}
}

// Of several servers that are cut off each is alone.
func TestLocal_CutSeveral(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Servers: 3})
	s := runStore(t, c.Endpoints(), 1)
	cutServer(t, c, 0)
	cutServer(t, c, 2)
	for _, i := range []int{0, 1, 2} {
		poll(t, 20*time.Second, "none of three is enough", func() bool { return !ownInstance(t, c, i).Ready })
	}
	if answers(c.Endpoints()[0]) || !answers(c.Endpoints()[1]) || answers(c.Endpoints()[2]) {
		t.Error("the first or the third manager answers, or the second doesn't")
	}
	healServer(t, c, 0)
	poll(t, 30*time.Second, "two of three are enough", func() bool { return s.at(1).put("two", "kept") == nil })
	if answers(c.Endpoints()[2]) {
		t.Error("the third manager answers")
	}
	healServer(t, c, 2)
	healServer(t, c, 2) // again: nothing to do
	poll(t, 30*time.Second, "the third catches up", func() bool { return s.at(2).get("two") == "kept" })
}

func TestLocal_CutOutlivesARestart(t *testing.T) {
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
	refused(c.Cut(1), "no server can be cut off while server 1 is paused, whose processes can't be told: resume it first")
	if err := c.Resume(0); err != nil {
		t.Fatal(err)
	}
	if !answers(c.Endpoints()[1]) {
		t.Error("half of a cut was made")
	}
	cutServer(t, c, 1)
	if answers(c.Endpoints()[1]) {
		t.Error("the server that is cut off answers")
	}
	pause()
	refused(c.Heal(1), "no server can be healed while server 1 is paused, whose processes can't be told: resume it first")
	if err := c.Resume(0); err != nil {
		t.Fatal(err)
	}
	if answers(c.Endpoints()[1]) {
		t.Error("half of a healing was made")
	}
	healServer(t, c, 1)
	poll(t, 20*time.Second, "the healed server answers", func() bool { return answers(c.Endpoints()[1]) })
}

// Where servers share an address they can't be told apart.
func TestLocal_CutNeedsAddresses(t *testing.T) {
	c := &Cluster{endpoints: []string{"127.0.0.1:17801", "127.0.0.1:17802"}, cut: map[int]bool{}}
	if err := c.Cut(0); err == nil || !strings.Contains(err.Error(), "where all have the one address 127.0.0.1") {
		t.Errorf("got %v", err)
	}
	if err := c.Heal(0); err != nil {
		t.Errorf("a server that isn't cut off has nothing to be healed from: %v", err)
	}
}

// A cut server whose runner is killed ends like the others.
func TestLocal_RunnerKilledDuringACut(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd, endpoints := startRunner(t, temp, "")
	runStore(t, endpoints, 1)
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil { // which has it cut the first server off
		t.Fatal(err)
	}
	poll(t, 20*time.Second, "the server is cut off", func() bool { return !answers(endpoints[0]) })
	kill(t, cmd.Process.Pid)
	gone(t, 10*time.Second, temp, endpoints)
}

// A cluster one of whose servers is cut off ends in its time.
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
		t.Errorf("a server that is cut off held up the end for %s", took)
	}
	gone(t, time.Second, temp, c.Endpoints())
}
