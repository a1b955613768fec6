package etcd

import (
	"context"
	"errors"
	"io"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
)

// forwardUnary and forwardStream mark a gateway's calls, and forward the clients' metadata.

func forwardUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker,
	opts ...grpc.CallOption) error {
	return invoker(forwardContext(ctx), method, req, reply, cc, opts...)
}

func forwardStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return streamer(forwardContext(ctx), desc, cc, method, opts...)
}

func forwardContext(ctx context.Context) context.Context {
	pairs := []string{forwardedKey, "1"}
	for _, key := range []string{rpctypes.TokenFieldNameGRPC, rpctypes.MetadataRequireLeaderKey} {
		for _, value := range metadata.ValueFromIncomingContext(ctx, key) {
			pairs = append(pairs, key, value)
		}
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// forwardUnknown forwards the methods that a gateway does not handle itself, unary ones included. It needs no message
// types: an Empty keeps all fields as unknown ones.
func forwardUnknown(store grpc.ClientConnInterface) grpc.StreamHandler {
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	return func(_ any, down grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(down)
		up, err := store.NewStream(down.Context(), desc, method)
		if err != nil {
			return err
		}
		return pump(&grpc.GenericServerStream[emptypb.Empty, emptypb.Empty]{ServerStream: down},
			&grpc.GenericClientStream[emptypb.Empty, emptypb.Empty]{ClientStream: up})
	}
}

// pump copies messages between a client's stream and the store's until either ends.
func pump[Req, Res any](down grpc.BidiStreamingServer[Req, Res], up grpc.BidiStreamingClient[Req, Res]) error {
	go func() {
		for {
			req, err := down.Recv()
			if err != nil {
				// The client has sent everything, or is gone: then the context of both streams is done.
				_ = up.CloseSend()
				return
			}
			if up.Send(req) != nil {
				return // Recv returns the error
			}
		}
	}()
	return receive(up, down)
}

// receive copies responses until the store has sent all.
func receive[Res any](up grpc.ServerStreamingClient[Res], down grpc.ServerStreamingServer[Res]) error {
	for {
		resp, err := up.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := down.Send(resp); err != nil {
			return err
		}
	}
}

// gatewayWatch forwards watches message by message, so that the counter sees them.
type gatewayWatch struct {
	pb.UnsafeWatchServer
	store pb.WatchClient
}

func (g gatewayWatch) Watch(down pb.Watch_WatchServer) error {
	up, err := g.store.Watch(down.Context())
	if err != nil {
		return err
	}
	return pump(down, up)
}

// gatewayKV forwards reads and writes. It makes serializable reads linearizable: those can be as old as the data
// instance that serves them, and a client of a gateway can't choose that one.
type gatewayKV struct {
	pb.UnsafeKVServer // a new method of a later version fails to compile
	store             pb.KVClient
}

func (g gatewayKV) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	r.Serializable = false
	return g.store.Range(ctx, r)
}

func (g gatewayKV) RangeStream(r *pb.RangeRequest, down pb.KV_RangeStreamServer) error {
	r.Serializable = false
	up, err := g.store.RangeStream(down.Context(), r)
	if err != nil {
		return err
	}
	return receive(up, down)
}

func (g gatewayKV) Put(ctx context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	return g.store.Put(ctx, r)
}

func (g gatewayKV) DeleteRange(ctx context.Context, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	return g.store.DeleteRange(ctx, r)
}

func (g gatewayKV) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	// A transaction is serializable if all its operations are; one linearizable read makes all of it linearizable.
	for _, branch := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range branch {
			if read := op.GetRequestRange(); read != nil {
				read.Serializable = false
			}
		}
	}
	return g.store.Txn(ctx, r)
}

func (g gatewayKV) Compact(ctx context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	return g.store.Compact(ctx, r)
}

// gatewayAlarms forwards the requests for alarms. The guard can judge the request of a method that the gateway handles;
// of a forwarded stream it sees the method alone.
type gatewayAlarms struct {
	pb.UnimplementedMaintenanceServer
	store pb.MaintenanceClient
}

func (g gatewayAlarms) Alarm(ctx context.Context, r *pb.AlarmRequest) (*pb.AlarmResponse, error) {
	return g.store.Alarm(ctx, r)
}

// registerAlarms registers the method Alarm alone: the other methods of its service are forwarded as unknown ones.
func registerAlarms(server *grpc.Server, alarms gatewayAlarms) {
	desc := pb.Maintenance_ServiceDesc
	desc.Streams = nil
	desc.Methods = slices.DeleteFunc(slices.Clone(desc.Methods), func(m grpc.MethodDesc) bool { return m.MethodName != "Alarm" })
	server.RegisterService(&desc, alarms)
}
