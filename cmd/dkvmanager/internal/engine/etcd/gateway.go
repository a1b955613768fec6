package etcd

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// requestOverhead is the largest overhead of a message over its request; etcd's own value.
const requestOverhead = 512 << 10

// runGateway runs a gateway until ctx is done: its client port serves the whole store, and it keeps no data.
func runGateway(ctx context.Context, folder string, spec engine.Spec, report *engine.Report, logger *zap.Logger) error {
	if len(spec.Endpoints) == 0 {
		return fmt.Errorf("gateway %s: the spec names no data instance", spec.Instance)
	}
	keys, err := openKeys(folder, spec)
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	guard := guard{spec, keys}
	port, err := listenClients(ctx, guard, report, logger)
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	defer port.close()
	defer followKeys(ctx, keys, logger)()
	if err := reportKeys(report, keys, port, nil); err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	client, err := dial(spec.Bind, spec.Endpoints, clientTLS(keys),
		grpc.WithChainUnaryInterceptor(forwardUnary),
		grpc.WithChainStreamInterceptor(forwardStream))
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	defer client.Close()
	probe, err := newProbe(spec, keys)
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	defer probe.close()

	counter := newCounter(report)
	report.Measure(func(context.Context) []engine.Gauge { return []engine.Gauge{watchGauge(counter)} })
	routes, closeRoutes, err := jsonRoutes(ctx, guard, port.listener.Addr())
	if err != nil {
		return fmt.Errorf("start of %s: %w", spec.Instance, err)
	}
	defer closeRoutes()
	mux := http.NewServeMux()
	mux.Handle(jsonRoot, routes)
	gatewayPages(mux, client, guard, report, counter, logger)
	server := newGatewayServer(guard, client, counter)
	port.serve(server, mux)
	defer func() {
		counter.endStreams()
		stopping, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		port.shutdown(stopping)
		defer context.AfterFunc(stopping, server.Stop)()
		server.GracefulStop()
	}()

	watched := make(chan struct{})
	watchCtx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(watched)
		watchGateway(watchCtx, client, probe, report, logger)
	}()
	defer func() {
		cancel()
		<-watched
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-port.failed:
		return fmt.Errorf("%s can't go on: %w", spec.Instance, err)
	}
}

// newGatewayServer returns a gRPC server with all services of a data instance.
func newGatewayServer(guard guard, client *clientv3.Client, counter *counter) *grpc.Server {
	server := grpc.NewServer(append(guard.interceptors(),
		grpc.ChainUnaryInterceptor(counter.unary),
		grpc.ChainStreamInterceptor(counter.stream),
		grpc.UnknownServiceHandler(forwardUnknown(client.ActiveConnection())),
		grpc.MaxRecvMsgSize(maxRequestBytes+requestOverhead),
		grpc.MaxSendMsgSize(math.MaxInt32),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}),
		keepConnections(guard.keys),
	)...)
	pb.RegisterKVServer(server, gatewayKV{store: clientv3.RetryKVClient(client)})
	pb.RegisterWatchServer(server, gatewayWatch{store: pb.NewWatchClient(client.ActiveConnection())})
	registerAlarms(server, gatewayAlarms{store: pb.NewMaintenanceClient(client.ActiveConnection())})
	return server
}

// watchGateway updates the condition until ctx is done.
func watchGateway(ctx context.Context, client *clientv3.Client, probe *probe, report *engine.Report,
	logger *zap.Logger) {
	maintenance := pb.NewMaintenanceClient(client.ActiveConnection())
	poll(ctx, func() bool {
		c := engine.Condition{Reason: gatewayReason(ctx, client, probe, maintenance, report)}
		c.Ready = c.Reason == ""
		if ctx.Err() == nil {
			setCondition(report, logger, c)
		}
		return c.Ready
	})
	setCondition(report, logger, engine.Condition{Reason: stopping})
}

// gatewayReason returns why the gateway isn't ready, or "". It reads through its own client port, and reports the id of
// the cluster that answers.
func gatewayReason(ctx context.Context, client *clientv3.Client, probe *probe,
	maintenance pb.MaintenanceClient, report *engine.Report) string {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	_, err := followMembers(ctx, client)
	if err == nil {
		var cluster string
		if cluster, err = probe.read(ctx); err == nil {
			report.Identify(cluster)
		}
	}
	switch {
	case needsUser(err):
		return usersOnly
	case err != nil:
		return fmt.Sprintf("waiting for the store's data instances: none of %s answered a read within %v", endpoints(client), answerLimit)
	}
	status, err := maintenance.Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return "" // the store has responded; only this instance of it is stopping
	}
	return alarmReason(status.Errors)
}

func endpoints(client *clientv3.Client) string {
	return strings.NewReplacer("http://", "", "https://", "").Replace(strings.Join(client.Endpoints(), ", "))
}
