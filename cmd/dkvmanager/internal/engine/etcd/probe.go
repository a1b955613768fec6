package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/instancekeys"
)

// probeKey is the key that readiness checks read. It need not exist.
const probeKey = "_dkv/probe"

// usersOnly is why an instance is not ready if authentication is enabled in its store.
const usersOnly = "authentication is enabled in the store, which refuses reads and writes without a user: " +
	"dkvrun does not support it; disable it with dkvmanager etcdctl --data-dir DIR STORE/INSTANCE -- --user root auth disable, " +
	"on one of its servers"

// probe reads through an instance's own client port, as an application does.
type probe struct {
	conn *grpc.ClientConn
	kv   pb.KVClient
}

// newProbe returns a probe of an instance. The probe connects at its first read.
func newProbe(spec engine.Spec, keys *instancekeys.Keys) (*probe, error) {
	host := spec.Bind
	if host == "" {
		host = "localhost"
	}
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(host, strconv.Itoa(spec.ClientPort)),
		dialFrom(spec.Bind, clientTLS(keys)),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // dialFrom speaks TLS
		grpc.WithChainUnaryInterceptor(forwardUnary),             // not counted as an application's
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: unreadyInterval, Multiplier: 1, MaxDelay: unreadyInterval},
			MinConnectTimeout: answerLimit,
		}))
	if err != nil {
		return nil, fmt.Errorf("client port of %s: %w", spec.Instance, err)
	}
	return &probe{conn, pb.NewKVClient(conn)}, nil
}

func (p *probe) close() { _ = p.conn.Close() }

// read makes a linearizable read without a user, as any application may. It returns the id of the store's cluster.
func (p *probe) read(ctx context.Context) (cluster string, err error) {
	r, err := p.kv.Range(ctx, &pb.RangeRequest{Key: []byte(probeKey), KeysOnly: true})
	return types.ID(r.GetHeader().GetClusterId()).String(), err
}

// needsUser reports whether the store has refused a request because it has no user, or one without the permission.
func needsUser(err error) bool {
	if err == nil {
		return false
	}
	err = rpctypes.Error(err)
	for _, refusal := range []error{
		rpctypes.ErrUserEmpty, rpctypes.ErrPermissionDenied, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// unreachable reports whether a request failed because there is no connection, and not by an answer of the engine.
func unreachable(err error) bool {
	var answer rpctypes.EtcdError
	return status.Code(err) == codes.Unavailable && !errors.As(rpctypes.Error(err), &answer)
}

// explained returns an error of the engine, or one with the cause if the store refuses requests without a user.
func explained(err error) error {
	if needsUser(err) {
		return errors.New(usersOnly)
	}
	return err
}
