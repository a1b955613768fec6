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

// cluster is a cluster of managers behind proxies, in a separate block of addresses. One case at a time uses it, with a
// store that no other case uses.
type cluster struct {
	t        testing.TB // the test of the present case
	block    int
	dir      string
	times    []string
	managers []*manager
	network  network
	proxies  []*http.Server
	cases    int
}

// times shorten the protocol's timeouts, so that a matrix of cases that wait for them takes minutes. realTimes leave
// them as they are.
var (
	times     = []string{"DKV_EXPIRE_AFTER=2s", "DKV_RESOLVE_EVERY=250ms"}
	realTimes = []string{"DKV_EXPIRE_AFTER=", "DKV_RESOLVE_EVERY="}
)

var clusters struct {
	mu    sync.Mutex
	free  map[string][]*cluster // keyed by their times
	count int
}

// enter returns a working cluster, which the case has until it ends. A cluster on which a case has failed is not used
// again. Without keep its managers have the shortened times.
func enter(t *testing.T, keep ...string) *cluster {
	t.Helper()
	if keep == nil {
		keep = times
	}
	kind := strings.Join(keep, " ")
	clusters.mu.Lock()
	if clusters.free == nil {
		clusters.free = map[string][]*cluster{}
	}
	var l *cluster
	if last := len(clusters.free[kind]) - 1; last >= 0 {
		l, clusters.free[kind] = clusters.free[kind][last], clusters.free[kind][:last]
	} else {
		clusters.count++
		l = &cluster{block: clusters.count, times: keep}
	}
	clusters.mu.Unlock()
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
		clusters.mu.Lock()
		defer clusters.mu.Unlock()
		clusters.free[kind] = append(clusters.free[kind], l)
	})
	if l.dir == "" {
		l.open(3)
	}
	l.cases++
	return l
}

// open starts count managers, one after the other, so that the first has the smallest identity and coordinates every
// store.
func (l *cluster) open(count int) {
	dir, err := os.MkdirTemp("", "dkvrun-crash-cluster-")
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

func (l *cluster) close() {
	for _, p := range l.proxies {
		_ = p.Close()
	}
	for _, m := range l.managers {
		m.kill()
		m.end(m.processes(""))
	}
	_ = os.RemoveAll(l.dir)
}

// closeClusters ends the clusters that no case uses.
func closeClusters() {
	for _, kind := range clusters.free {
		for _, l := range kind {
			l.close()
		}
	}
}

// list returns the managers' addresses as the value of -m.
func (l *cluster) list() string {
	list := ""
	for i, m := range l.managers {
		if i > 0 {
			list += ","
		}
		list += m.adv
	}
	return list
}
