package etcd

import (
	"context"
	"errors"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// gatewayKV forwards reads and writes as they are, but for serializable reads: those may be as old as
// the data instance that answers, and a gateway's client can't choose that one. grpcproxy has a KV
// server too; it keeps every answer in a cache and ends the process on an empty request.
type gatewayKV struct {
	pb.UnimplementedKVServer
	store pb.KVClient
}

func (g *gatewayKV) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	r.Serializable = false
	return g.store.Range(ctx, r)
}

func (g *gatewayKV) RangeStream(r *pb.RangeRequest, out pb.KV_RangeStreamServer) error {
	r.Serializable = false
	in, err := g.store.RangeStream(out.Context(), r)
	if err != nil {
		return err
	}
	for {
		resp, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.Send(resp); err != nil {
			return err
		}
	}
}

func (g *gatewayKV) Put(ctx context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	return g.store.Put(ctx, r)
}

func (g *gatewayKV) DeleteRange(ctx context.Context, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	return g.store.DeleteRange(ctx, r)
}

func (g *gatewayKV) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	linearizable(r)
	return g.store.Txn(ctx, r)
}

func (g *gatewayKV) Compact(ctx context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	return g.store.Compact(ctx, r)
}

// linearizable changes every read of a transaction, also in the transactions inside it.
func linearizable(r *pb.TxnRequest) {
	for _, branch := range [][]*pb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			switch op := op.GetRequest().(type) {
			case *pb.RequestOp_RequestRange:
				if op.RequestRange != nil {
					op.RequestRange.Serializable = false
				}
			case *pb.RequestOp_RequestTxn:
				linearizable(op.RequestTxn)
			}
		}
	}
}

// gatewayCluster adds what grpcproxy's cluster server leaves out.
type gatewayCluster struct {
	pb.ClusterServer
	store pb.ClusterClient
}

func (g gatewayCluster) MemberPromote(ctx context.Context, r *pb.MemberPromoteRequest) (*pb.MemberPromoteResponse, error) {
	return g.store.MemberPromote(ctx, r)
}
