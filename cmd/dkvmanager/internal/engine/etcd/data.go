package etcd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// closeLimit is how long a stop waits for requests in flight and for another leader.
const closeLimit = 2 * time.Second

// runData is the life of a data instance.
func runData(ctx context.Context, folder string, spec engine.Spec, report *engine.Report, logger *zap.Logger) error {
	cfg := memberConfig(folder, spec, logger)
	if spec.Start == engine.Resume && !wal.Exist(filepath.Join(cfg.Dir, "member", "wal")) {
		return fmt.Errorf("the data of %s is gone: %s holds none; the instance must join its store anew", spec.Instance, cfg.Dir)
	}
	counter := newCounter(report)
	cfg.GRPCAdditionalServerOptions = []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(counter.unary),
		grpc.ChainStreamInterceptor(counter.stream),
	}
	member, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	report.Measure(newGauges(member.Server, counter).measure)

	watchCtx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		(&readiness{server: member.Server, spec: spec, report: report, logger: logger}).watch(watchCtx)
	}()
	defer func() {
		cancel()
		<-watched
		report.Measure(nil)
		counter.endStreams()
		shut(member)
	}()

	select {
	case <-ctx.Done():
		return nil
	case err := <-member.Err():
		return fmt.Errorf("%s can't go on: %w", spec.Instance, err)
	case <-member.Server.StopNotify():
		return errors.New(stoppedReason(member, spec))
	}
}

// stoppedReason says why the engine stopped by itself.
func stoppedReason(member *embed.Etcd, spec engine.Spec) string {
	if member.Server.IsIDRemoved(uint64(member.Server.MemberID())) {
		return fmt.Sprintf("%s has been removed from the store", spec.Instance)
	}
	return fmt.Sprintf("%s stopped by itself: see the lines above", spec.Instance)
}

// shut closes the server: requests in flight end, the leadership moves away. embed's own Close does
// that with time limits that add up to more than a stop may take, and doesn't return at all before
// the first quorum: then, and when it takes too long, the server is stopped under it.
func shut(member *embed.Etcd) {
	select {
	case <-member.Server.ReadyNotify():
	default:
		member.Server.HardStop()
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		member.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeLimit):
		member.Server.HardStop()
		<-closed
	}
}
