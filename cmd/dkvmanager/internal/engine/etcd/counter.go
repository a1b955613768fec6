package etcd

import (
	"context"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// forwardedKey marks the calls of a gateway, which has counted them already.
const forwardedKey = "dkv-forwarded"

// counter counts client operations where they enter the store. It is part of the gRPC server, through which the JSON
// routes go, too.
type counter struct {
	report  *engine.Report
	watches atomic.Int64
	ending  context.Context
	// endStreams ends all streams, so that no watch delays a stop. Clients reconnect to other instances.
	endStreams context.CancelFunc
}

func newCounter(report *engine.Report) *counter {
	ctx, cancel := context.WithCancel(context.Background())
	return &counter{report: report, ending: ctx, endStreams: cancel}
}

func (c *counter) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	resp, err := handler(ctx, req)
	if err == nil && !forwarded(ctx) {
		c.count(resp)
	}
	return resp, err
}

// count counts by responses: that of a transaction says which branch was executed.
func (c *counter) count(resp any) {
	switch r := resp.(type) {
	case *pb.RangeResponse:
		c.report.Gets.Add(1)
	case *pb.PutResponse:
		c.report.Puts.Add(1)
	case *pb.DeleteRangeResponse:
		c.report.Removes.Add(1)
	case *pb.TxnResponse:
		for _, op := range r.GetResponses() {
			switch op := op.GetResponse().(type) {
			case *pb.ResponseOp_ResponseRange:
				c.count(op.ResponseRange)
			case *pb.ResponseOp_ResponsePut:
				c.count(op.ResponsePut)
			case *pb.ResponseOp_ResponseDeleteRange:
				c.count(op.ResponseDeleteRange)
			case *pb.ResponseOp_ResponseTxn:
				c.count(op.ResponseTxn)
			}
		}
	}
}

func (c *counter) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, cancel := context.WithCancel(ss.Context())
	defer cancel()
	defer context.AfterFunc(c.ending, cancel)()

	stream := &countedStream{ServerStream: ss, ctx: ctx, counter: c, counts: !forwarded(ctx)}
	defer func() { c.watches.Add(-stream.watches.Load()) }()
	err := handler(srv, stream)
	switch {
	case c.ending.Err() != nil:
		return status.Error(codes.Unavailable, "the instance is stopping")
	case err == nil && stream.counts && info.FullMethod == pb.KV_RangeStream_FullMethodName:
		c.report.Gets.Add(1)
	}
	return err
}

// countedStream counts the watches of one stream.
type countedStream struct {
	grpc.ServerStream
	ctx     context.Context
	counter *counter
	counts  bool
	watches atomic.Int64
}

func (s *countedStream) Context() context.Context { return s.ctx }

func (s *countedStream) SendMsg(m any) error {
	if resp, ok := m.(*pb.WatchResponse); ok && s.counts {
		switch {
		case resp.Created && resp.Canceled: // refused
		case resp.Created:
			s.add(1)
		case resp.Canceled:
			s.add(-1)
		}
	}
	return s.ServerStream.SendMsg(m)
}

func (s *countedStream) add(n int64) {
	s.watches.Add(n)
	s.counter.watches.Add(n)
}

func forwarded(ctx context.Context) bool {
	return len(metadata.ValueFromIncomingContext(ctx, forwardedKey)) > 0
}
