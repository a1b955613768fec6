package etcd

import (
	"context"
	"math"
	"net"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"dkvrun/cmd/dkvmanager/internal/hostid"
)

// dial makes a client of a store that logs nothing, and is back soon after an instance is. It speaks from
// the IP that its server is bound to.
func dial(bind string, endpoints []string, options ...grpc.DialOption) (*clientv3.Client, error) {
	urls := make([]string, len(endpoints))
	for i, e := range endpoints {
		urls[i] = "http://" + e
	}
	return clientv3.New(clientv3.Config{
		Endpoints:            urls,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		Logger:               zap.NewNop(),
		DialOptions: append(options,
			dialFrom(bind),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
				MinConnectTimeout: 3 * time.Second,
			}),
			grpc.WithDefaultCallOptions(
				grpc.MaxCallSendMsgSize(math.MaxInt32),
				grpc.MaxCallRecvMsgSize(math.MaxInt32),
			)),
	})
}

// dialFrom makes connections come from the IP that a server is bound to.
func dialFrom(bind string) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return hostid.Dialer(bind).DialContext(ctx, "tcp", address)
	})
}

// followMembers reads the members, which needs the store's quorum, and turns the client to the voters among
// them: a learner takes no reads and no changes.
func followMembers(ctx context.Context, client *clientv3.Client) ([]*pb.Member, error) {
	resp, err := client.MemberList(ctx)
	if err != nil {
		return nil, err
	}
	var voters []string
	for _, member := range resp.Members {
		if !member.IsLearner {
			voters = append(voters, member.ClientURLs...) // none before its first start
		}
	}
	if len(voters) > 0 && !slices.Equal(voters, client.Endpoints()) {
		client.SetEndpoints(voters...)
	}
	return resp.Members, nil
}
