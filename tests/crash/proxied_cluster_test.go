package crash

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// lane is a cluster of three managers behind proxies, on a block of addresses of its own. One case at a
// time uses it; stores are named anew for each.
type lane struct {
	t        testing.TB // of the case
	block    int
	dir      string
	times    []string
	managers []*manager
	network  network
	proxies  []*http.Server
	cases    int
}

// times shorten the protocol's, so that a matrix of cases that wait for them takes minutes; realTimes don't.
var (
	times     = []string{"DKV_EXPIRE_AFTER=2s", "DKV_RESOLVE_EVERY=250ms"}
	realTimes = []string{"DKV_EXPIRE_AFTER=", "DKV_RESOLVE_EVERY="}
)

var lanes struct {
	mu    sync.Mutex
	free  map[string][]*lane // by their times
	count int
}

// enter gives a case a lane that works, until the case ends. A lane on which a case has failed is not
// used again. Its managers have the shortened times where none are given.
func enter(t *testing.T, keep ...string) *lane {
	t.Helper()
	if keep == nil {
		keep = times
	}
	kind := strings.Join(keep, " ")
	lanes.mu.Lock()
	if lanes.free == nil {
		lanes.free = map[string][]*lane{}
	}
	var l *lane
	if last := len(lanes.free[kind]) - 1; last >= 0 {
		l, lanes.free[kind] = lanes.free[kind][last], lanes.free[kind][:last]
	} else {
		lanes.count++
		l = &lane{block: lanes.count, times: keep}
	}
	lanes.mu.Unlock()
	l.t = t
	t.Cleanup(func() {
		l.network.set(nil)
		l.network.behind.Wait()
		if t.Failed() {
			for _, m := range l.managers {
				t.Logf("log of %s:\n%s", m.ip, m.log)
			}
			l.close()
			return
		}
		lanes.mu.Lock()
		defer lanes.mu.Unlock()
		lanes.free[kind] = append(lanes.free[kind], l)
	})
	if l.dir == "" {
		l.open(3)
	}
	l.cases++
	return l
}

// open starts count managers, one after the other: the first has the smallest identity, and is the home
// of every store.
func (l *lane) open(count int) {
	dir, err := os.MkdirTemp("", "dkvrun-lane-")
	if err != nil {
		l.t.Fatal(err)
	}
	l.dir = dir
	for i := range count {
		m := &manager{
			ip: fmt.Sprintf("127.33.%d.%d", l.block, 11+i), adv: fmt.Sprintf("127.33.%d.%d", l.block, 101+i),
			dir: filepath.Join(dir, fmt.Sprint(i+1)), log: &output{},
		}
		l.managers = append(l.managers, m)
		m.start(l.t, l.times, "")
		l.proxies = append(l.proxies, l.network.serve(l.t, i, m))
	}
}

func (l *lane) close() {
	for _, p := range l.proxies {
		_ = p.Close()
	}
	for _, m := range l.managers {
		m.kill()
		m.end(m.processes(""))
	}
	_ = os.RemoveAll(l.dir)
}

// closeLanes ends what the cases have left for the next ones.
func closeLanes() {
	for _, kind := range lanes.free {
		for _, l := range kind {
			l.close()
		}
	}
}

// list names the managers for -m.
func (l *lane) list() string {
	list := ""
	for i, m := range l.managers {
		if i > 0 {
			list += ","
		}
		list += m.adv
	}
	return list
}
