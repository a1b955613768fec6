package etcd

import (
	"bytes"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soheilhy/cmux"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/instancekeys"
	"dkvrun/runtime/identity"
)

// openKeys returns the keys of an instance, or nil if its manager isn't secured.
func openKeys(folder string, spec engine.Spec) (*instancekeys.Keys, error) {
	if !spec.Secured() {
		return nil, nil
	}
	return instancekeys.Open(folder, spec.Store, time.Now)
}

// followKeys follows the files of the keys until the function that it returns is called.
func followKeys(ctx context.Context, keys *instancekeys.Keys, logger *zap.Logger) (stop func()) {
	if keys == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	go keys.Follow(ctx, func(err error) {
		logger.Warn("the instance's new keys can't be used, and the earlier ones stay in use", zap.Error(err))
	})
	return cancel
}

// clientTLS says how connections to instances of the store speak TLS.
func clientTLS(keys *instancekeys.Keys) *engine.Secure {
	if keys == nil {
		return nil
	}
	return &engine.Secure{Config: keys.Client(), Plain: keys.TakesPlain}
}

// keepConnections says how long the connections of gRPC clients are kept. Times of keepalive are those of etcd. In a
// secured store a client is asked to connect anew long before the certificate of an instance ends that it showed:
// instances are clients of each other for longer than that. Requests and streams of the earlier connection go on.
func keepConnections(keys *instancekeys.Keys) grpc.ServerOption {
	p := keepalive.ServerParameters{Time: embed.DefaultGRPCKeepAliveInterval, Timeout: embed.DefaultGRPCKeepAliveTimeout}
	if keys != nil {
		p.MaxConnectionAge = keys.ConnectionAge()
	}
	return grpc.KeepaliveParams(p)
}

// scheme returns the scheme of the URLs of ports.
func scheme(secured bool) string {
	if secured {
		return "https"
	}
	return "http"
}

// callerFor returns what a client of a secured store may do.
func callerFor(role identity.Role) caller {
	switch role {
	case identity.AppRole, identity.InstanceRole, identity.Admin:
		return application
	case identity.ReadOnlyApp, identity.Viewer, identity.Operator:
		return reader
	case identity.ManagerRole:
		return observer
	}
	return nobody
}

const (
	// recheckEvery is the interval in which open connections are judged again.
	recheckEvery = 2 * time.Second
	// refusedLimit bounds the time for which the connection of a refused client stays open: long enough to answer its
	// requests with the reason.
	refusedLimit = 30 * time.Second
)

// secureListener makes the connections of a client port speak TLS, or leaves them plain if the client begins so and
// plain connections are taken. It closes those whose client is accepted no longer, and after a time those whose client
// never was.
type secureListener struct {
	net.Listener
	keys    *instancekeys.Keys
	config  *tls.Config
	refused time.Duration // how long the connection of a client that never was accepted stays open

	mu      sync.Mutex
	open    map[*clientConn]bool
	ended   chan struct{}
	endOnce sync.Once
}

func newSecureListener(l net.Listener, keys *instancekeys.Keys, refused time.Duration) *secureListener {
	s := &secureListener{Listener: l, keys: keys, config: keys.Server(), refused: refused,
		open: map[*clientConn]bool{}, ended: make(chan struct{})}
	go s.recheck()
	return s
}

// Accept returns the next connection. The first read makes the handshake.
func (s *secureListener) Accept() (net.Conn, error) {
	raw, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	first := &firstBytes{Conn: raw, keys: s.keys}
	c := &clientConn{Conn: tls.Server(first, s.config), first: first, of: s, opened: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = true
	return c, nil
}

// Close ends the listener. Its connections stay open.
func (s *secureListener) Close() error {
	s.endOnce.Do(func() { close(s.ended) })
	return s.Listener.Close()
}

// recheck closes connections whose client was accepted and is accepted no longer, until the listener is closed. Those
// of other refused clients stay open for s.refused, in which each request says why it is refused: without a bound,
// clients without a certificate could keep all places of the port.
func (s *secureListener) recheck() {
	tick := time.NewTicker(recheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return
		case <-tick.C:
		}
		for _, c := range s.connections() {
			if !c.accepted.Load() && (!c.shaken.Load() || time.Since(c.opened) < s.refused) {
				continue
			}
			token := ""
			if bound := c.token.Load(); bound != nil {
				token = *bound
			}
			if _, _, err := c.caller(token); err != nil {
				_ = c.Close()
			}
		}
	}
}

// oldClients returns the URIs of clients of whom only an authority vouches that is being replaced.
func (s *secureListener) oldClients() []string {
	var out []string
	for _, c := range s.connections() {
		if c.accepted.Load() && s.keys.IsOld(c.peer) {
			out = append(out, c.peer.Identity.String())
		}
	}
	return out
}

// reportKeys makes the report tell what the instance trusts and who uses its ports with certificates of an authority
// that is being replaced. Peers is nil for a gateway. It is called before etcd reads the authorities, so that it does
// not tell of one that etcd has not read.
func reportKeys(report *engine.Report, keys *instancekeys.Keys, port *portServer, peers *peerServer) error {
	if keys == nil {
		return nil
	}
	var atStart []string
	if peers != nil {
		var err error
		if atStart, err = keys.PeerAuthorities(); err != nil {
			return err
		}
	}
	clients, _ := port.listener.(*secureListener)
	report.OnKeys(func() *engine.Keys {
		out := &engine.Keys{PeerAuthorities: atStart}
		out.Serial, out.Authorities = keys.Shown()
		out.Exposed = keys.Exposed()
		out.OldClients = append(clients.oldClients(), peers.oldPeers()...)
		slices.Sort(out.OldClients)
		out.OldClients = slices.Compact(out.OldClients)
		return out
	})
	return nil
}

func (s *secureListener) connections() []*clientConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*clientConn, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	return all
}

// clientConn is the connection of a client of a secured store.
type clientConn struct {
	*tls.Conn             // its state, deadlines and addresses, also those of a plain one
	first     *firstBytes // the connection below it
	of        *secureListener
	opened    time.Time
	shaken    atomic.Bool // the handshake is done, and the client has sent something

	judge    sync.Once
	peer     *identity.Peer // nil if the client's certificate is not accepted
	refused  error
	accepted atomic.Bool // the client was accepted once
	// token is the bearer token with which the client was accepted first. The connection belongs to it from then on, so
	// that the connection can be ended with it.
	token atomic.Pointer[string]
}

// Read makes the handshake before the first byte, unless the client begins without TLS.
func (c *clientConn) Read(b []byte) (int, error) {
	if err := c.first.begin(); err != nil {
		return 0, err
	}
	read := c.Conn.Read
	if c.first.plain.Load() {
		read = c.first.Read
	}
	n, err := read(b)
	if n > 0 && !c.shaken.Load() {
		c.shaken.Store(true)
	}
	return n, err
}

// Write writes to the client, which has sent something before: its protocol is known.
func (c *clientConn) Write(b []byte) (int, error) {
	if c.first.plain.Load() {
		return c.first.Write(b)
	}
	return c.Conn.Write(b)
}

// Close closes the connection.
func (c *clientConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	if c.first.plain.Load() {
		return c.first.Close()
	}
	return c.Conn.Close()
}

// caller returns who the client is and what it may do now, by its certificate or by the bearer token of a request. It
// must be called after the handshake only. Signatures are checked once, all else each time: so a request over an old
// connection is refused as well when the certificate has expired or is revoked, or the role is another one.
func (c *clientConn) caller(token string) (caller, identity.Caller, error) {
	if c.first.plain.Load() {
		if token != "" {
			c.of.keys.Expose(token)
		}
		switch {
		case !c.of.keys.TakesPlain():
			return nobody, identity.Caller{}, errors.New(plainRefused)
		case token != "":
			return nobody, identity.Caller{}, errPlainToken
		}
		c.accepted.Store(true)
		return application, identity.Caller{}, nil
	}
	client, err := c.identify(token)
	if err != nil {
		return nobody, identity.Caller{}, err
	}
	who := callerFor(client.Role)
	if who == nobody {
		return nobody, client, errors.New(client.Identity.Describe() + " may not use this store")
	}
	c.accepted.Store(true)
	return who, client, nil
}

var (
	errTwoCredentials = errors.New("the client has shown a certificate and a bearer token: one of them is enough")
	errPlainToken     = errors.New("a bearer token is taken over TLS alone: use https://, and another token: others may have read this one, which counts no longer")
	errOtherToken     = errors.New("the connection was made with another bearer token: make a new one")
)

// identify returns who the client is, and its role.
func (c *clientConn) identify(token string) (identity.Caller, error) {
	if token != "" {
		if len(c.ConnectionState().PeerCertificates) > 0 {
			return identity.Caller{}, errTwoCredentials
		}
		client, err := c.of.keys.CallerOf(token)
		if err != nil {
			return identity.Caller{}, err
		}
		if !c.token.CompareAndSwap(nil, &token) &&
			subtle.ConstantTimeCompare([]byte(*c.token.Load()), []byte(token)) != 1 {
			return identity.Caller{}, errOtherToken
		}
		return client, nil
	}
	c.judge.Do(func() {
		chain := c.ConnectionState().PeerCertificates
		if len(chain) == 0 {
			c.refused = instancekeys.ErrNoCertificate
			return
		}
		c.peer, c.refused = c.of.keys.Admit(chain)
	})
	if c.refused != nil {
		return identity.Caller{}, c.refused
	}
	return c.of.keys.Caller(c.peer)
}

// clientConnOf returns the client's connection below one that the port has split off, or nil.
func clientConnOf(c net.Conn) *clientConn {
	if split, is := c.(*cmux.MuxConn); is {
		c = split.Conn
	}
	conn, _ := c.(*clientConn)
	return conn
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// withConn is a hook of http.Server. It makes the connection known to the handlers of its requests.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, clientConnOf(c))
}

// connOf returns the connection of an HTTP/1 request or of a gRPC call, or nil if it isn't one over TLS.
func connOf(ctx context.Context) *clientConn {
	if c, is := ctx.Value(connKey{}).(*clientConn); is {
		return c
	}
	if p, is := peer.FromContext(ctx); is {
		if info, is := p.AuthInfo.(authInfo); is {
			return info.conn
		}
	}
	return nil
}

// authorization is the header, or in gRPC the metadata, that has a bearer token.
const authorization = "authorization"

// tokenKey is the key of the bearer token of an HTTP/1 request in its context.
type tokenKey struct{}

// tokenOf returns the bearer token of an HTTP/1 request or of a gRPC call; "" if it has none.
func tokenOf(ctx context.Context) (string, error) {
	if token, is := ctx.Value(tokenKey{}).(string); is {
		return token, nil
	}
	return bearerOf(metadata.ValueFromIncomingContext(ctx, authorization))
}

// bearerOf returns the bearer token of a header; "" if there is no such header.
func bearerOf(values []string) (string, error) {
	const scheme = "Bearer "
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || !strings.HasPrefix(values[0], scheme) || len(values[0]) == len(scheme):
		return "", errors.New("the header Authorization has no bearer token")
	}
	return strings.TrimPrefix(values[0], scheme), nil
}

// portCredentials make the connection of a client known to the gRPC server, which gets it after the handshake.
type portCredentials struct{}

// authInfo is the client of a gRPC connection.
type authInfo struct {
	credentials.CommonAuthInfo
	conn *clientConn // nil for the instance's socket
}

// AuthType returns the name of the kind of authentication.
func (authInfo) AuthType() string { return "dkv" }

var errServerOnly = errors.New("these credentials are a server's")

func (portCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errServerOnly
}

func (portCredentials) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	info := authInfo{conn: clientConnOf(c)}
	info.SecurityLevel = credentials.PrivacyAndIntegrity
	return c, info, nil
}

func (portCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (p portCredentials) Clone() credentials.TransportCredentials { return p }

func (portCredentials) OverrideServerName(string) error { return errServerOnly }

// guardedStream judges its client again at each message.
type guardedStream struct {
	grpc.ServerStream
	allow func() error
}

func (s guardedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.allow()
}

func (s guardedStream) SendMsg(m any) error {
	if err := s.allow(); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

// jsonGuard returns the options of the gRPC client that makes the calls of JSON requests. In a secured store the client
// has the instance's own certificate, so it makes only calls that the client of the JSON request may make.
func (g guard) jsonGuard() []grpc.DialOption {
	if g.keys == nil {
		return nil
	}
	unary := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker,
		options ...grpc.CallOption) error {
		if err := g.allow(ctx, method, req); err != nil {
			return err
		}
		return invoke(ctx, method, req, reply, cc, options...)
	}
	stream := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer,
		options ...grpc.CallOption) (grpc.ClientStream, error) {
		allow := func() error { return g.allow(ctx, method, nil) }
		if err := allow(); err != nil {
			return refusedStream{ctx, err}, nil
		}
		s, err := open(ctx, desc, cc, method, options...)
		if err != nil {
			return nil, err
		}
		return guardedAnswers{s, allow}, nil
	}
	return []grpc.DialOption{grpc.WithUnaryInterceptor(unary), grpc.WithStreamInterceptor(stream)}
}

// guardedAnswers judges the client of a JSON request again at each message that it receives.
type guardedAnswers struct {
	grpc.ClientStream
	allow func() error
}

func (s guardedAnswers) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	return s.allow()
}

// refusedStream is a stream that was refused. The routes log a stream that can't be opened or sent to, so it fails when
// the answer is read: a client could fill the log.
type refusedStream struct {
	ctx context.Context
	err error
}

func (refusedStream) Header() (metadata.MD, error) { return nil, nil }
func (refusedStream) Trailer() metadata.MD         { return nil }
func (refusedStream) CloseSend() error             { return nil }
func (s refusedStream) Context() context.Context   { return s.ctx }
func (refusedStream) SendMsg(any) error            { return nil }
func (s refusedStream) RecvMsg(any) error          { return s.err }

// guardPages refuses HTTP/1 requests of clients that a secured store doesn't take. What a request for JSON routes may
// do is judged by its method.
func (g guard) guardPages(next http.Handler) http.Handler {
	if g.keys == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := bearerOf(r.Header.Values(authorization))
		if err == nil {
			// The routes would pass the header on with the call, over a connection of the instance's own.
			r.Header.Del(authorization)
			r = r.WithContext(context.WithValue(r.Context(), tokenKey{}, token))
			_, _, err = g.callerOf(r.Context())
		}
		if err != nil {
			refuse(w, http.StatusUnauthorized, codes.Unauthenticated, err.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// plainRefused is the answer to a client that doesn't speak TLS.
const plainRefused = "this port takes TLS alone: use https:// and the certificate of an application of this store, " +
	"which dkvmanager credential --app NAME --store STORE makes"

const (
	// tlsHandshake is the first byte of a client that speaks TLS: the type of the record with its hello (RFC 8446, 5.1).
	tlsHandshake = 22
	// plainTime bounds the time in which a client that does not speak TLS can read its answer. maxPlain bounds what it
	// may have sent, in bytes, which has to be taken off the connection: else the client could miss the answer.
	plainTime = time.Second
	maxPlain  = 64 << 10
)

var errPlain = errors.New("the client does not speak TLS")

// firstBytes is a connection before its handshake. It answers a client that doesn't speak TLS, unless plain connections
// are taken.
type firstBytes struct {
	net.Conn
	keys  *instancekeys.Keys
	begun bool        // the first bytes were read; reads follow each other
	read  []byte      // what was read, and not handed on
	plain atomic.Bool // the client doesn't speak TLS, and is taken all the same
}

// begin reads the first bytes. The error is that of a client that is refused because it doesn't speak TLS.
func (c *firstBytes) begin() error {
	if c.begun {
		return nil
	}
	b := make([]byte, 4<<10)
	n, err := c.Conn.Read(b)
	if n == 0 {
		return err
	}
	c.begun, c.read = true, b[:n]
	switch {
	case b[0] == tlsHandshake:
	case c.keys.TakesPlain():
		c.plain.Store(true)
	default:
		c.refuse(string(c.read))
		return errPlain
	}
	return nil
}

// Read reads from the connection.
func (c *firstBytes) Read(b []byte) (int, error) {
	if len(c.read) > 0 {
		n := copy(b, c.read)
		c.read = c.read[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// refuse answers a client in the protocol that it speaks: HTTP/1, or HTTP/2 as gRPC clients.
func (c *firstBytes) refuse(first string) {
	if c.SetDeadline(time.Now().Add(plainTime)) != nil {
		return
	}
	received := io.LimitReader(io.MultiReader(strings.NewReader(first), c.Conn), maxPlain)
	if strings.HasPrefix(http2.ClientPreface, first[:min(len(first), len(http2.ClientPreface))]) {
		if refuseCall(c.Conn, received) != nil {
			return
		}
	} else if writePlain(c.Conn) != nil {
		return
	}
	if half, is := c.Conn.(interface{ CloseWrite() error }); is && half.CloseWrite() != nil {
		return
	}
	_, _ = io.Copy(io.Discard, received)
}

// refuseCall refuses the first call of a gRPC client.
func refuseCall(w io.Writer, received io.Reader) error {
	f := http2.NewFramer(w, received)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, received, int64(len(http2.ClientPreface))); err != nil {
		return err
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return err
		}
		if frame.Header().Type != http2.FrameHeaders {
			continue
		}
		var answer bytes.Buffer
		e := hpack.NewEncoder(&answer)
		for _, field := range [][2]string{{":status", "200"}, {"content-type", "application/grpc"},
			{"grpc-status", strconv.Itoa(int(codes.FailedPrecondition))}, {"grpc-message", plainRefused}} {
			if err := e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
				return err
			}
		}
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: frame.Header().StreamID, BlockFragment: answer.Bytes(),
			EndHeaders: true, EndStream: true})
	}
}

// writePlain writes the answer to an HTTP/1 request.
func writePlain(w io.Writer) error {
	body := refusalText(codes.FailedPrecondition, plainRefused)
	resp := http.Response{
		StatusCode: http.StatusBadRequest, ProtoMajor: 1, ProtoMinor: 1, Close: true,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)),
	}
	return resp.Write(w)
}
