package etcd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/soheilhy/cmux"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

const (
	// firstBytesLimit bounds the time until a new connection sends its first bytes.
	firstBytesLimit = 30 * time.Second
	// holdLimit bounds the time for which a gRPC connection or a JSON request waits for an instance that is starting. A
	// gRPC client with other endpoints uses those meanwhile, and connects again after the limit.
	holdLimit = 10 * time.Second
)

// jsonRoot is the prefix of the JSON routes.
const jsonRoot = "/v3/"

// maxJSONBytes bounds the body of an HTTP/1 request. It is above the JSON form of every request that etcd takes: 1.5
// MiB of keys and values in base64, in 128 operations at most.
const maxJSONBytes = 8 << 20

const tooLarge = "request is too large: its body may have at most 8 MiB"

// portServer serves the client port of an instance, for applications: HTTP/2 goes to the gRPC server, HTTP/1 to the
// JSON routes and the pages. The port is bound before the instance starts. Until serve is called, requests wait for at
// most holdLimit; pages say at once that the instance isn't ready.
type portServer struct {
	spec      engine.Spec
	listener  net.Listener
	split     cmux.CMux
	forGRPC   net.Listener
	web       *http.Server
	handler   http.Handler // set before serving is closed
	report    *engine.Report
	bodies    *largeBodies
	serving   chan struct{} // closed by serve
	closing   chan struct{} // closed by endWaits
	closeOnce sync.Once
	// failed receives the error of a server that has ended.
	failed chan error
}

// listenClients binds the client port and starts to answer. Host names of the spec are looked up until ctx is done.
func listenClients(ctx context.Context, guard guard, report *engine.Report, logger *zap.Logger) (*portServer, error) {
	spec := guard.spec
	listener, err := net.Listen("tcp", net.JoinHostPort(spec.Bind, strconv.Itoa(spec.ClientPort)))
	if err != nil {
		return nil, err
	}
	listener = limitConnections(listener, connectionLimit(), knownClients(ctx, spec), logger)
	if guard.keys != nil {
		listener = newSecureListener(listener, guard.keys, refusedLimit)
	}
	p := &portServer{
		spec:     spec,
		listener: listener,
		bodies:   newLargeBodies(maxLargeBytes),
		report:   report,
		serving:  make(chan struct{}),
		closing:  make(chan struct{}),
		failed:   make(chan error, 3),
	}
	p.web = &http.Server{Handler: rejectWebPages(spec, guard.guardPages(p)), ReadHeaderTimeout: firstBytesLimit,
		ErrorLog: zap.NewStdLog(logger), ConnContext: withConn}
	p.split = cmux.New(p.listener)
	p.split.SetReadTimeout(firstBytesLimit)
	forHTTP := p.split.Match(beginsAsHTTP(cmux.HTTP1()))
	p.forGRPC = p.split.Match(p.hold(beginsAsHTTP(cmux.HTTP2())))
	go func() { p.failed <- p.web.Serve(forHTTP) }()
	go func() { p.failed <- p.split.Serve() }()
	return p, nil
}

// beginsAsHTTP returns a matcher that judges by the first byte whether a connection can be HTTP. Without it a client
// that speaks TLS waits until firstBytesLimit, because the other matchers wait for the end of a line.
func beginsAsHTTP(matches cmux.Matcher) cmux.Matcher {
	return func(r io.Reader) bool {
		first := make([]byte, 1)
		if _, err := io.ReadFull(r, first); err != nil || first[0] < 'A' || first[0] > 'Z' {
			return false
		}
		return matches(io.MultiReader(bytes.NewReader(first), r))
	}
}

// hold returns a matcher that takes connections once the gRPC server serves, and closes them after holdLimit.
func (p *portServer) hold(matches cmux.Matcher) cmux.Matcher {
	return func(r io.Reader) bool { return matches(r) && p.wait(context.Background()) }
}

// wait reports whether the instance has begun to serve before holdLimit.
func (p *portServer) wait(ctx context.Context) bool {
	limit := time.NewTimer(holdLimit)
	defer limit.Stop()
	select {
	case <-p.serving:
		return true
	case <-p.closing:
	case <-limit.C:
	case <-ctx.Done():
	}
	return false
}

// serve hands the connections to the server and the requests to the handler. It is called once.
func (p *portServer) serve(server *grpc.Server, handler http.Handler) {
	p.handler = handler
	go func() { p.failed <- server.Serve(p.forGRPC) }()
	close(p.serving)
}

// ServeHTTP answers an HTTP/1 request.
func (p *portServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	release := p.bodies.admit(w, r)
	if release == nil {
		return
	}
	defer release()
	query := r.URL.Query()
	other := differs(query.Get(wire.CreationParam), p.spec.Operation)
	select {
	case <-p.serving:
	default:
		if !other && (!strings.HasPrefix(r.URL.Path, jsonRoot) || !p.wait(r.Context())) {
			refuse(w, http.StatusServiceUnavailable, codes.Unavailable, wire.NotServing+p.report.Condition().Reason)
			return
		}
	}
	// An instance that serves knows its cluster, but for a gateway that has reached no data instance yet.
	if other || differs(query.Get(wire.ClusterParam), p.report.Cluster()) {
		refuse(w, http.StatusPreconditionFailed, codes.FailedPrecondition,
			fmt.Sprintf("%sit is of %s, created by operation %s", wire.OtherStore, p.spec.Store, p.spec.Operation))
		return
	}
	p.handler.ServeHTTP(w, r)
}

// differs reports whether a request names another store. It is false while either side is not known.
func differs(wanted, own string) bool { return wanted != "" && own != "" && wanted != own }

// shutdown waits for the HTTP/1 requests in flight until ctx is done, and takes no new connections. The caller then
// stops the gRPC server.
func (p *portServer) shutdown(ctx context.Context) {
	p.endWaits()
	if p.web.Shutdown(ctx) != nil {
		_ = p.web.Close()
	}
	p.close()
}

// close ends the port at once. It can be called again.
func (p *portServer) close() {
	p.endWaits()
	_ = p.web.Close()
	p.split.Close()
	_ = p.listener.Close()
}

// endWaits refuses the requests and connections that wait.
func (p *portServer) endWaits() { p.closeOnce.Do(func() { close(p.closing) }) }

// refuse answers a request with an error in the form of the JSON routes.
func refuse(w http.ResponseWriter, status int, code codes.Code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, refusalText(code, message)) // the client may be gone
}

// refusalText returns an error in the form of the JSON routes.
func refusalText(code codes.Code, message string) string {
	text, _ := json.Marshal(map[string]any{"code": code, "message": message}) // never fails
	return string(text) + "\n"
}
