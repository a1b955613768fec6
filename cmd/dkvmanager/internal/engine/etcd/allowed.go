package etcd

import (
	"context"
	"fmt"
	"net"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/instancekeys"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// caller is who calls a method of a store. Each may do what the callers before it may.
type caller int

const (
	// nobody may use nothing.
	nobody caller = iota
	// observer is a manager: it reads the members and the state of the store, and no data.
	observer
	// reader is an application that may only read, or a viewer or operator.
	reader
	// application is an application of the store, one of its instances, or an admin; whoever reaches the client port if
	// the manager isn't secured.
	application
	// local is a process of this server that has opened the instance's socket.
	local
)

// rule says who may call a method.
type rule struct {
	least caller
	// reads reports whether a request of the method only reads; a reader may make those. It is nil for a method that
	// depends on nothing but its caller.
	reads func(req any) bool
	// instead is what does the same as a method that applications can't call: the arguments of etcdctl, or a sentence.
	instead string
}

// Sentences of rules.
const (
	addInstead    = "the builtin add_instance"
	removeInstead = "the builtin remove_instance"
)

// methods lists every gRPC method of etcd. The methods of locks and elections also write, and etcd makes their writes
// without the interceptors, so a reader can't call them.
var methods = map[string]rule{
	pb.KV_Range_FullMethodName:       {least: reader},
	pb.KV_RangeStream_FullMethodName: {least: reader},
	pb.KV_Put_FullMethodName:         {least: application},
	pb.KV_DeleteRange_FullMethodName: {least: application},
	pb.KV_Txn_FullMethodName:         {least: application, reads: readsOnly},
	pb.KV_Compact_FullMethodName:     {least: local, instead: "compaction REVISION"},

	pb.Watch_Watch_FullMethodName: {least: reader},

	pb.Lease_LeaseGrant_FullMethodName:      {least: application},
	pb.Lease_LeaseRevoke_FullMethodName:     {least: application},
	pb.Lease_LeaseKeepAlive_FullMethodName:  {least: application},
	pb.Lease_LeaseTimeToLive_FullMethodName: {least: reader},
	pb.Lease_LeaseLeases_FullMethodName:     {least: application},

	pb.Cluster_MemberList_FullMethodName:    {least: observer},
	pb.Cluster_MemberAdd_FullMethodName:     {least: local, instead: addInstead},
	pb.Cluster_MemberPromote_FullMethodName: {least: local, instead: addInstead},
	pb.Cluster_MemberRemove_FullMethodName:  {least: local, instead: removeInstead},
	pb.Cluster_MemberUpdate_FullMethodName:  {least: local, instead: "the builtins remove_instance and add_instance"},

	pb.Maintenance_Status_FullMethodName:     {least: observer},
	pb.Maintenance_Alarm_FullMethodName:      {least: local, reads: listsAlarms, instead: "alarm disarm"},
	pb.Maintenance_Defragment_FullMethodName: {least: local, instead: "defrag"},
	pb.Maintenance_Hash_FullMethodName:       {least: local, instead: "endpoint hashkv"},
	pb.Maintenance_HashKV_FullMethodName:     {least: local, instead: "endpoint hashkv"},
	pb.Maintenance_Snapshot_FullMethodName:   {least: local, instead: "snapshot save FILE"},
	pb.Maintenance_MoveLeader_FullMethodName: {least: local, instead: "move-leader MEMBER"},
	pb.Maintenance_Downgrade_FullMethodName:  {least: local, instead: "downgrade"},

	pb.Auth_AuthEnable_FullMethodName:           {least: local, instead: "auth enable"},
	pb.Auth_AuthDisable_FullMethodName:          {least: local, instead: "auth disable"},
	pb.Auth_AuthStatus_FullMethodName:           {least: local, instead: "auth status"},
	pb.Auth_Authenticate_FullMethodName:         {least: local, instead: "--user NAME"},
	pb.Auth_UserAdd_FullMethodName:              {least: local, instead: "user add"},
	pb.Auth_UserGet_FullMethodName:              {least: local, instead: "user get"},
	pb.Auth_UserList_FullMethodName:             {least: local, instead: "user list"},
	pb.Auth_UserDelete_FullMethodName:           {least: local, instead: "user delete"},
	pb.Auth_UserChangePassword_FullMethodName:   {least: local, instead: "user passwd"},
	pb.Auth_UserGrantRole_FullMethodName:        {least: local, instead: "user grant-role"},
	pb.Auth_UserRevokeRole_FullMethodName:       {least: local, instead: "user revoke-role"},
	pb.Auth_RoleAdd_FullMethodName:              {least: local, instead: "role add"},
	pb.Auth_RoleGet_FullMethodName:              {least: local, instead: "role get"},
	pb.Auth_RoleList_FullMethodName:             {least: local, instead: "role list"},
	pb.Auth_RoleDelete_FullMethodName:           {least: local, instead: "role delete"},
	pb.Auth_RoleGrantPermission_FullMethodName:  {least: local, instead: "role grant-permission"},
	pb.Auth_RoleRevokePermission_FullMethodName: {least: local, instead: "role revoke-permission"},

	v3lockpb.Lock_Lock_FullMethodName:   {least: application},
	v3lockpb.Lock_Unlock_FullMethodName: {least: application},

	v3electionpb.Election_Campaign_FullMethodName: {least: application},
	v3electionpb.Election_Proclaim_FullMethodName: {least: application},
	v3electionpb.Election_Leader_FullMethodName:   {least: application},
	v3electionpb.Election_Observe_FullMethodName:  {least: application},
	v3electionpb.Election_Resign_FullMethodName:   {least: application},

	healthpb.Health_Check_FullMethodName: {least: observer},
	healthpb.Health_List_FullMethodName:  {least: observer},
	healthpb.Health_Watch_FullMethodName: {least: observer},
}

// allows reports whether a caller may make a request. req is nil for a stream.
func allows(method string, who caller, req any) bool {
	if who == local {
		return true
	}
	rule, known := methods[method]
	return known && (who >= rule.least || who >= reader && rule.reads != nil && rule.reads(req))
}

// readsOnly reports whether all operations of a transaction are reads, in both branches and in nested transactions.
func readsOnly(req any) bool {
	txn, ok := req.(*pb.TxnRequest)
	if !ok {
		return false
	}
	for _, branch := range [][]*pb.RequestOp{txn.Success, txn.Failure} {
		for _, op := range branch {
			switch op := op.GetRequest().(type) {
			case *pb.RequestOp_RequestRange:
			case *pb.RequestOp_RequestTxn:
				if !readsOnly(op.RequestTxn) {
					return false
				}
			default:
				return false
			}
		}
	}
	return true
}

// listsAlarms reports whether a request lists alarms, which Status does too: the health checks of etcd's tools need it.
func listsAlarms(req any) bool {
	alarm, ok := req.(*pb.AlarmRequest)
	return ok && alarm.Action == pb.AlarmRequest_GET
}

// guard refuses calls that came over the client port and are not for their caller, or may come from a web page. It is
// the outermost interceptor, so that a refused call reaches no code of etcd.
type guard struct {
	spec engine.Spec
	keys *instancekeys.Keys // nil if the manager isn't secured
}

// interceptors returns the options of a gRPC server that is guarded.
func (g guard) interceptors() []grpc.ServerOption {
	options := []grpc.ServerOption{grpc.UnaryInterceptor(g.unary), grpc.StreamInterceptor(g.stream)}
	if g.keys != nil {
		options = append(options, grpc.Creds(portCredentials{}))
	}
	return options
}

func (g guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := g.check(ctx, info.FullMethod, req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (g guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := g.check(ss.Context(), info.FullMethod, nil); err != nil {
		return err
	}
	if g.keys != nil {
		ss = guardedStream{ss, func() error { return g.allow(ss.Context(), info.FullMethod, nil) }}
	}
	return handler(srv, ss)
}

// check returns the refusal of a call, or nil.
func (g guard) check(ctx context.Context, method string, req any) error {
	if isLocal(ctx) {
		return nil
	}
	if reason := pageRefusal(g.spec, header(ctx, "origin"), header(ctx, "sec-fetch-site"), header(ctx, ":authority")); reason != "" {
		return status.Error(codes.PermissionDenied, reason)
	}
	return g.allow(ctx, method, req)
}

// allow returns the refusal of a call that its caller may not make, or nil.
func (g guard) allow(ctx context.Context, method string, req any) error {
	who, client, err := g.callerOf(ctx)
	switch {
	case err != nil:
		return status.Error(codes.Unauthenticated, err.Error())
	case allows(method, who, req):
		return nil
	case who < application && allows(method, application, req):
		return status.Errorf(codes.PermissionDenied, "%s %s may not call %s", client.Role, client.Identity.Name, strings.TrimPrefix(method, "/"))
	}
	return status.Error(codes.PermissionDenied, g.refusal(method))
}

// callerOf returns who calls, and by which certificate or bearer token if the manager is secured. The error says why
// the client may use nothing.
func (g guard) callerOf(ctx context.Context) (caller, identity.Caller, error) {
	if isLocal(ctx) {
		return local, identity.Caller{}, nil
	}
	if g.keys == nil {
		return application, identity.Caller{}, nil
	}
	conn := connOf(ctx)
	if conn == nil {
		return nobody, identity.Caller{}, instancekeys.ErrNoCertificate
	}
	token, err := tokenOf(ctx)
	if err != nil {
		return nobody, identity.Caller{}, err
	}
	return conn.caller(token)
}

// isLocal reports whether a call came over the instance's socket: only that listener's connections have the address of
// a unix socket.
func isLocal(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return false
	}
	_, socket := p.LocalAddr.(*net.UnixAddr)
	return socket
}

// refusal returns the message for a method that applications can't call.
func (g guard) refusal(method string) string {
	refused := strings.TrimPrefix(method, "/") + " is not open to applications"
	rule, known := methods[method]
	if !known {
		return refused
	}
	if strings.HasPrefix(rule.instead, "the builtin") {
		return fmt.Sprintf("%s: use %s of dkvrun", refused, rule.instead)
	}
	instance, server := g.spec.Instance, "on "+g.spec.Host
	if g.spec.Role == wire.Gateway {
		instance, server = "INSTANCE", "on the server of a data instance"
	}
	return fmt.Sprintf("%s: use dkvmanager etcdctl --data-dir DIR %s/%s -- %s, %s", refused, g.spec.Store, instance, rule.instead, server)
}

// header returns a header of a call; "" for none.
func header(ctx context.Context, name string) string {
	return strings.Join(metadata.ValueFromIncomingContext(ctx, name), ",")
}
