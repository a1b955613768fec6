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
	spent    bool // by a case after which no other one can use it
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
	var cl *cluster
	if last := len(clusters.free[kind]) - 1; last >= 0 {
		cl, clusters.free[kind] = clusters.free[kind][last], clusters.free[kind][:last]
	} else {
		clusters.count++
		cl = &cluster{block: clusters.count, times: keep}
	}
	clusters.mu.Unlock()
	cl.t = t
	t.Cleanup(func() {
		cl.network.set(nil)
		cl.network.behind.Wait()
		if cl.spent && !t.Failed() {
			cl.close()
			return
		}
		if t.Failed() {
			for _, m := range cl.managers {
				t.Logf("log of %s:\n%s", m.ip, m.log)
			}
			cl.close()
			return
		}
		clusters.mu.Lock()
		defer clusters.mu.Unlock()
		clusters.free[kind] = append(clusters.free[kind], cl)
	})
	if cl.dir == "" {
		cl.open(3)
	}
	cl.cases++
	return cl
}

// open starts count managers, one after the other, so that the first has the smallest identity and coordinates every
// store.
func (cl *cluster) open(count int) {
	dir, err := os.MkdirTemp("", "dkvrun-crash-cluster-")
	if err != nil {
		cl.t.Fatal(err)
	}
	cl.dir = dir
	own := func(i int) string { return fmt.Sprintf("127.33.%d.%d", cl.block, 11+i) }
	proxy := func(i int) string { return fmt.Sprintf("127.33.%d.%d", cl.block, 101+i) }
	cl.network.proxyOf = map[string]string{}
	for i := range count {
		cl.network.proxyOf[own(i)] = proxy(i)
	}
	for i := range count {
		m := &manager{
			ip: own(i), adv: proxy(i),
			dir: filepath.Join(dir, fmt.Sprint(i+1)), log: &output{},
		}
		cl.managers = append(cl.managers, m)
		m.start(cl.t, cl.times, "")
		cl.proxies = append(cl.proxies, cl.network.serve(cl.t, i, m))
	}
}

func (cl *cluster) close() {
	for _, p := range cl.proxies {
		_ = p.Close()
	}
	for _, m := range cl.managers {
		m.kill()
		m.end(m.processes(""))
	}
	_ = os.RemoveAll(cl.dir)
}

// closeClusters ends the clusters that no case uses.
func closeClusters() {
	for _, kind := range clusters.free {
		for _, cl := range kind {
			cl.close()
		}
	}
}

// list returns the managers' addresses as the value of -m.
func (cl *cluster) list() string {
	list := ""
	for i, m := range cl.managers {
		if i > 0 {
			list += ","
		}
		list += m.adv
	}
	return list
}
