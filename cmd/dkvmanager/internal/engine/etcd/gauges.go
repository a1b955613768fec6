package etcd

import (
	"context"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/storage/mvcc"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// gauges measures the metrics of a data instance.
type gauges struct {
	server   *etcdserver.EtcdServer
	counter  *counter
	keyCount keyCount
}

func newGauges(server *etcdserver.EtcdServer, counter *counter) *gauges {
	return &gauges{server: server, counter: counter}
}

func (g *gauges) measure(ctx context.Context) []engine.Gauge {
	select {
	case <-g.server.ReadyNotify():
	default:
		return nil // reads would wait for the first quorum
	}
	out := []engine.Gauge{watchGauge(g.counter)}
	if n, err := g.keyCount.count(ctx, g.server.KV(), time.Now()); err == nil {
		out = append(out, engine.Gauge{Category: "Storage", Name: "ItemsCount", Value: float64(n)})
	}
	out = append(out, engine.Gauge{Category: "Storage", Name: "Bytes", Value: float64(g.server.Backend().Size())})
	if leases, err := g.server.LeaseLeases(ctx, &pb.LeaseLeasesRequest{}); err == nil {
		out = append(out, engine.Gauge{Category: "Lease", Name: "Active", Value: float64(len(leases.GetLeases()))})
	}
	leader := engine.Gauge{Category: "Cluster", Name: "IsLeader"}
	if g.server.Leader() == g.server.MemberID() {
		leader.Value = 1
	}
	return append(out, leader)
}

func watchGauge(c *counter) engine.Gauge {
	return engine.Gauge{Category: "Watch", Name: "Active", Value: float64(c.watches.Load())}
}

// Counting visits every key, so the result is cached: at least for cacheMin, and for cacheFactor times the duration of
// the count.
const (
	cacheMin    = time.Second
	cacheFactor = 50
)

// keyCount counts the live keys of a store.
type keyCount struct {
	mu    sync.Mutex
	n     int
	until time.Time
}

func (i *keyCount) count(ctx context.Context, kv mvcc.KV, now time.Time) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now.Before(i.until) {
		return i.n, nil
	}
	all, err := kv.Range(ctx, []byte{0}, []byte{}, mvcc.RangeOptions{CountOnly: true})
	if err != nil {
		return 0, err
	}
	took := time.Since(now)
	i.n = all.Count
	i.until = now.Add(max(cacheMin, cacheFactor*took))
	return i.n, nil
}
