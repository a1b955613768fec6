package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

const (
	// closeLimit bounds the wait of a stop for requests in flight and for a leadership transfer.
	closeLimit = 1500 * time.Millisecond
	// staggerDelay is longer than a founder takes from binding its port to serving it.
	staggerDelay = 100 * time.Millisecond
)

// runData runs a data instance until ctx is done.
func runData(ctx context.Context, folder string, spec engine.Spec, report *engine.Report, logger *zap.Logger) error {
	etcdLevel := zap.NewAtomicLevelAt(zap.WarnLevel)
	var removed atomic.Bool
	cfg := memberConfig(folder, spec, etcdLogger(logger, report, etcdLevel).WithOptions(noteRemoval(&removed)))
	switch hasData := wal.Exist(filepath.Join(cfg.Dir, "member", "wal")); {
	case spec.Start == engine.Resume && !hasData:
		return fmt.Errorf("the data of %s is gone: %s holds none; the instance must join its store again", spec.Instance, cfg.Dir)
	case spec.Start == engine.Found && !hasData:
		staggerStart(ctx, spec)
	}
	keys, err := openKeys(folder, spec)
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	peers, err := listenPeers(spec, keys, logger)
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	defer peers.close()
	guard := guard{spec, keys}
	port, err := listenClients(ctx, guard, report, logger)
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	defer port.close()
	defer followKeys(ctx, keys, logger)()
	if err := reportKeys(report, keys, port, peers); err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	counter := newCounter(report)
	cfg.GRPCAdditionalServerOptions = append(guard.interceptors(),
		keepConnections(guard.keys),
		grpc.ChainUnaryInterceptor(counter.unary),
		grpc.ChainStreamInterceptor(counter.stream))
	serving := make(chan *grpc.Server, 1)
	cfg.ServiceRegister = func(server *grpc.Server) { serving <- server } // called when etcd is ready to serve
	routes, closeRoutes, err := jsonRoutes(ctx, guard, port.listener.Addr())
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	defer closeRoutes()
	var plainCheck <-chan time.Time
	if spec.SecuredCluster() {
		if err := secureMembers(cfg.Dir, logger); err != nil {
			return fmt.Errorf("start of %s: %w", spec.Instance, err)
		}
		tick := time.NewTicker(plainCheckEvery)
		defer tick.Stop()
		plainCheck = tick.C
	}
	member, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	report.Identify(member.Server.Cluster().ID().String())
	probe, err := newProbe(spec, keys)
	if err != nil {
		shutdown(context.Background(), member)
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	defer probe.close()
	report.Measure(newGauges(member.Server, counter).measure)
	severance := newSeverance(member.Server)
	report.OnSever(severance.set)
	failed := make(chan error, 1)
	peers.serve(member, severance, failed)

	watchCtx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		(&readiness{server: member.Server, spec: spec, report: report, probe: probe, logger: logger}).watch(watchCtx)
	}()
	defer func() {
		cancel()
		<-watched
		report.Measure(nil)
		report.OnSever(nil)
		severance.end()
		counter.endStreams()
		etcdLevel.SetLevel(zap.DPanicLevel) // it logs every connection that a stop closes as a failure
		stopping, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		port.shutdown(stopping)
		shutdown(stopping, member)
	}()

	for {
		select {
		case server := <-serving:
			port.serve(server, dataPages(member, routes))
		case <-ctx.Done():
			return nil
		case <-plainCheck:
			if slices.ContainsFunc(member.Server.Cluster().Members(), isPlainMember) {
				return errPlainMember
			}
		case err := <-port.failed:
			return stopCause(member, spec, removed.Load(), fmt.Errorf("client port: %w", err))
		case err := <-failed:
			return stopCause(member, spec, removed.Load(), fmt.Errorf("cluster port: %w", err))
		case err := <-member.Err():
			return stopCause(member, spec, removed.Load(), err)
		case <-member.Server.StopNotify():
			return stopCause(member, spec, removed.Load(), errors.New("the engine stopped by itself: see the lines above"))
		}
	}
}

// dataPages returns what the client port serves over HTTP/1: the JSON routes, /version, /health, /livez, /readyz,
// /metrics and nothing else. etcd itself serves more, for example /debug/vars.
func dataPages(member *embed.Etcd, routes http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(jsonRoot, routes)
	etcdhttp.HandleVersion(mux, member.Server)
	etcdhttp.HandleHealth(member.GetLogger(), mux, member.Server)
	etcdhttp.HandleMetrics(mux)
	return mux
}

// staggerStart makes founders that start together start one after the other. A new founder first asks the others
// whether it is already a member. A founder that has bound its port and does not serve it yet, because it is asking
// too, delays it by a second.
func staggerStart(ctx context.Context, spec engine.Spec) {
	before := slices.IndexFunc(spec.Peers, func(p engine.Peer) bool { return p.Name == spec.Instance })
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(before) * staggerDelay):
	}
}

// stopCause returns why the engine stopped by itself. removed says that etcd has logged removedMessage: the other
// members can say so before this one has applied its own removal.
func stopCause(member *embed.Etcd, spec engine.Spec, removed bool, err error) error {
	if removed || member.Server.IsIDRemoved(uint64(member.Server.MemberID())) {
		return fmt.Errorf("%s "+engine.RemovedFromStore, spec.Instance)
	}
	return fmt.Errorf("%s can't go on: %w", spec.Instance, err)
}

// shutdown ends requests in flight, transfers the leadership and stops the server. It returns when everything is on
// disk; embed's Close also waits for the connections of other members, which end with the process. Close can take
// longer than ctx allows, and before the first quorum it never stops the server: in both cases HardStop stops it.
func shutdown(ctx context.Context, member *embed.Etcd) {
	select {
	case <-member.Server.ReadyNotify():
	default:
		member.Server.HardStop()
		return
	}
	go member.Close()
	select {
	case <-member.Server.StopNotify():
	case <-ctx.Done():
		member.Server.HardStop()
	}
}
