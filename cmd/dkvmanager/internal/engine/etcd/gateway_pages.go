package etcd

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-semver/semver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/auth"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.uber.org/zap"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// gatewayPages serves the pages that a data instance serves beside its JSON routes: /health, /livez, /readyz, /version,
// /metrics.
func gatewayPages(mux *http.ServeMux, client *clientv3.Client, guard guard, report *engine.Report, counter *counter,
	logger *zap.Logger) {
	health := gatewayHealth{clientv3.RetryKVClient(client), pb.NewMaintenanceClient(client.ActiveConnection())}
	etcdhttp.HandleHealth(logger, mux, health)
	mux.HandleFunc("/version", func(w http.ResponseWriter, r *http.Request) {
		versions := storeVersions(r.Context(), client, guard)
		one := http.NewServeMux()
		etcdhttp.HandleVersion(one, gatewayVersions{cluster: versions.Cluster, storage: versions.Storage})
		one.ServeHTTP(w, r)
	})
	mux.Handle(etcdhttp.PathMetrics, promhttp.HandlerFor(gatewayMetrics(report, counter), promhttp.HandlerOpts{}))
}

// gatewayHealth answers etcd's health checks for a gateway, from the store behind it.
type gatewayHealth struct {
	store       pb.KVClient
	maintenance pb.MaintenanceClient
}

// Alarms returns the alarms that the status of a data instance lists.
func (h gatewayHealth) Alarms() []*pb.AlarmMember {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	status, err := h.maintenance.Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return nil // Leader and Range report a store that does not respond
	}
	var alarms []*pb.AlarmMember
	for _, kind := range []pb.AlarmType{pb.AlarmType_NOSPACE, pb.AlarmType_CORRUPT} {
		if slices.ContainsFunc(status.Errors, func(text string) bool { return strings.Contains(text, kind.String()) }) {
			alarms = append(alarms, &pb.AlarmMember{Alarm: kind})
		}
	}
	return alarms
}

func (h gatewayHealth) Leader() types.ID {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	status, err := h.maintenance.Status(ctx, &pb.StatusRequest{})
	switch {
	case needsUser(err):
		return 1 // the store does not say who leads; Range reports whether one does
	case err != nil:
		return 0
	}
	return types.ID(status.Leader)
}

// Range makes the read of a health check. A serializable read checks only the gateway itself, so it succeeds. A data
// instance makes the read with all permissions. If the store requires a user, it refuses the gateway's read only after
// it has confirmed it as linearizable, so this refusal counts as success.
func (h gatewayHealth) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	if r.Serializable {
		return &pb.RangeResponse{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	r.Key = []byte(probeKey)
	resp, err := h.store.Range(ctx, r)
	if needsUser(err) {
		return &pb.RangeResponse{}, nil
	}
	return resp, err
}

func (gatewayHealth) Config() config.ServerConfig { return config.ServerConfig{} }
func (gatewayHealth) AuthStore() auth.AuthStore   { return noAuth{} }
func (gatewayHealth) IsLearner() bool             { return false }

// noAuth gives no rights.
type noAuth struct{ auth.AuthStore }

func (noAuth) WithRoot(ctx context.Context) context.Context { return ctx }

// gatewayVersions are the store's versions as etcdhttp asks a server for them.
type gatewayVersions struct {
	etcdserver.Server
	cluster, storage string
}

func (v gatewayVersions) ClusterVersion() *semver.Version { return parseVersion(v.cluster) }
func (v gatewayVersions) StorageVersion() *semver.Version { return parseVersion(v.storage) }

// parseVersion returns nil for a version that is not decided.
func parseVersion(text string) *semver.Version {
	v, err := semver.NewVersion(text)
	if err != nil {
		return nil
	}
	return v
}

// storeVersions returns the versions that the first data instance to answer reports; the zero value if none does.
func storeVersions(ctx context.Context, client *clientv3.Client, guard guard) version.Versions {
	transport := &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return connect(ctx, guard.spec.Bind, address, clientTLS(guard.keys), "http/1.1")
		}}
	web := http.Client{Transport: transport, Timeout: answerLimit}
	for _, endpoint := range client.Endpoints() {
		_, address, _ := strings.Cut(endpoint, "://")
		if found, ok := versionsAt(ctx, web, "http://"+address); ok { // connect speaks TLS
			return found
		}
	}
	return version.Versions{}
}

func versionsAt(ctx context.Context, web http.Client, endpoint string) (found version.Versions, ok bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/version", nil)
	if err != nil {
		return found, false
	}
	resp, err := web.Do(req)
	if err != nil {
		return found, false
	}
	defer resp.Body.Close()
	err = json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<12)).Decode(&found)
	return found, err == nil && resp.StatusCode == http.StatusOK
}

// gatewayMetrics returns the metrics of a gateway's process. etcd's registry has those of a server, all of them zero.
func gatewayMetrics(report *engine.Report, counter *counter) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, value func() float64, labels prometheus.Labels) {
		options := prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}
		registry.MustRegister(prometheus.NewGaugeFunc(options, value))
	}
	gauge("etcd_server_has_leader", "Whether or not a leader exists. 1 is existence, 0 is not.", func() float64 {
		if report.Condition().Ready {
			return 1
		}
		return 0
	}, nil)
	gauge("etcd_server_version", "Which version is running. 1 for 'server_version' label with current version.",
		func() float64 { return 1 }, prometheus.Labels{"server_version": version.Version})
	gauge("dkv_gateway_watches", "The number of watches through this gateway.",
		func() float64 { return float64(counter.watches.Load()) }, nil)
	for operation, total := range map[string]func() uint64{
		"get": report.Gets.Load, "put": report.Puts.Load, "remove": report.Removes.Load,
	} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "dkv_gateway_operations_total", Help: "The number of successful operations through this gateway.",
			ConstLabels: prometheus.Labels{"operation": operation},
		}, func() float64 { return float64(total()) }))
	}
	return registry
}
