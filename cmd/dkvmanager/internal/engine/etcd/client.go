package etcd

import (
	"context"
	"crypto/tls"
	"math"
	"net"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/hostid"
)

// dial returns a client of a store. Its connections come from bind, the IP of this server, and use secure, or are plain
// if it is nil.
func dial(bind string, endpoints []string, secure *tls.Config, options ...grpc.DialOption) (*clientv3.Client, error) {
	urls := make([]string, len(endpoints))
	for i, e := range endpoints {
		urls[i] = scheme(secure != nil) + "://" + e
	}
	return newClient(urls, secure, append(options, dialFrom(bind))...)
}

// dialSocket returns a client that reaches its store over the socket of the instance in folder.
func dialSocket(folder string) (*clientv3.Client, error) {
	return newClient([]string{"http://" + etcdSocket}, nil,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return engine.DialSocket(ctx, folder, etcdSocket)
		}))
}

// newClient returns a client that logs nothing and reconnects soon after an instance is back.
func newClient(urls []string, secure *tls.Config, options ...grpc.DialOption) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:            urls,
		TLS:                  secure,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		Logger:               zap.NewNop(),
		DialOptions: append(options,
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff: backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2,
					MaxDelay: 2 * time.Second},
				MinConnectTimeout: 3 * time.Second,
			}),
			grpc.WithDefaultCallOptions(
				grpc.MaxCallSendMsgSize(math.MaxInt32),
				grpc.MaxCallRecvMsgSize(math.MaxInt32),
			)),
	})
}

// dialFrom makes connections come from bind, the IP of this server.
func dialFrom(bind string) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return hostid.Dialer(bind).DialContext(ctx, "tcp", address)
	})
}

// followMembers reads the members, which needs the store's quorum, and sets the client's endpoints to the voters: a
// learner serves neither reads nor writes.
func followMembers(ctx context.Context, client *clientv3.Client) ([]*pb.Member, error) {
	resp, err := client.MemberList(ctx)
	if err != nil {
		return nil, err
	}
	var voters []string
	for _, member := range resp.Members {
		if !member.IsLearner {
			voters = append(voters, member.ClientURLs...) // empty before its first start
		}
	}
	if len(voters) > 0 && !slices.Equal(voters, client.Endpoints()) {
		client.SetEndpoints(voters...)
	}
	return resp.Members, nil
}
