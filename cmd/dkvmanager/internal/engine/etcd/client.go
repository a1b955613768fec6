package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"syscall"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/hostid"
)

// dial returns a client of a store. Its connections come from bind, the IP of this server.
func dial(bind string, endpoints []string, secure *engine.Secure,
	options ...grpc.DialOption) (*clientv3.Client, error) {
	urls := make([]string, len(endpoints))
	for i, e := range endpoints {
		urls[i] = "http://" + e // connect speaks TLS
	}
	return newClient(urls, append(options, dialFrom(bind, secure))...)
}

// dialSocket returns a client that reaches its store over the socket of the instance in folder.
func dialSocket(folder string) (*clientv3.Client, error) {
	return newClient([]string{"http://" + etcdSocket},
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return engine.DialSocket(ctx, folder, etcdSocket)
		}))
}

// newClient returns a client that logs nothing and reconnects soon after an instance is back.
func newClient(urls []string, options ...grpc.DialOption) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:            urls,
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

// dialFrom makes connections come from bind, the IP of this server, and speak TLS as secure says. The gRPC client takes
// them for plain ones: it would use TLS for all or for none.
func dialFrom(bind string, secure *engine.Secure) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return connect(ctx, bind, address, secure, http2.NextProtoTLS)
	})
}

// connect connects to a client port, for a protocol as ALPN names it.
func connect(ctx context.Context, bind, address string, secure *engine.Secure, protocol string) (net.Conn, error) {
	raw, err := hostid.Dialer(bind).DialContext(ctx, "tcp", address)
	if err != nil || secure == nil {
		return raw, err
	}
	config := secure.Config.Clone()
	config.NextProtos = []string{protocol}
	conn := tls.Client(raw, config)
	if err = conn.HandshakeContext(ctx); err == nil {
		return conn, nil
	}
	_ = raw.Close()
	if secure.Plain() && isPlainPort(err) {
		return hostid.Dialer(bind).DialContext(ctx, "tcp", address)
	}
	return nil, err
}

// isPlainPort reports whether a handshake failed as it does at a client port that doesn't speak TLS: it closes the
// connection.
func isPlainPort(err error) bool {
	var other tls.RecordHeaderError
	if errors.As(err, &other) || errors.Is(err, io.EOF) {
		return true
	}
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
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
