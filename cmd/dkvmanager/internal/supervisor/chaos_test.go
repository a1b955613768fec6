package supervisor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Instances are added and removed while managers crash and processes are killed at any moment. In the end the store has
// the members of its topology, and its data.
func TestSupervisor_ConvergesAmongCrashes(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := newStore(t, 3, 3)
	for reconcile := range 6 {
		s := c.servers[random.IntN(3)]
		if n := len(c.nodes["Orders"]); n < 4 || random.IntN(2) == 0 {
			c.widen("Orders", wire.DesiredRunning, s.node(fmt.Sprintf("orders-%d", 4+reconcile), 4+reconcile))
		} else {
			c.removeFromTopology("Orders", c.nodes["Orders"][random.IntN(n)].Name, false)
		}
		for range random.IntN(4) {
			<-time.After(time.Duration(random.Int64N(int64(time.Second)))) // each fault at another moment
			c.harm(random)
		}
		if reconcile%2 == 0 {
			continue // the next change comes on top of this one
		}
		c.waitAllReady("Orders", 2*time.Minute)
		var data []string
		for _, n := range c.nodes["Orders"] {
			if n.Role == wire.Data {
				data = append(data, n.Name)
			}
		}
		slices.Sort(data)
		c.holds("Orders", data...)
	}
}

// harm crashes a manager or kills an instance.
func (c *cluster) harm(random *rand.Rand) {
	s := c.servers[random.IntN(len(c.servers))]
	if random.IntN(2) == 0 {
		c.t.Logf("crash of the manager on %s", s.host)
		s.crash(func(*catalog.Data) {})
		s.open()
		return
	}
	all := c.instances("Orders")
	if in := all[random.IntN(len(all))]; in.PID != 0 {
		c.t.Logf("SIGKILL for %s", in.Name)
		_ = syscall.Kill(in.PID, syscall.SIGKILL) // it may have ended just now
	}
}
