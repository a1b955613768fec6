package etcd

import (
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/instancekeys"
	"dkvrun/runtime/identity"
)

const (
	// peerHandshakeLimit bounds the time until a connection to the cluster port has made its handshake and its first
	// request.
	peerHandshakeLimit = 10 * time.Second
	// peerReadLimit bounds the time of a request to the cluster port; etcd's own value.
	peerReadLimit = 5 * time.Minute
	// peerFailures is the number of failed connections to the cluster port that are logged in a minute.
	peerFailures = 10
)

// peerServer serves the cluster port of a data instance of a secured store. etcd could serve it itself, but takes every
// certificate of the store that any server of the cluster has made, and leaves connections open whose certificate was
// revoked.
type peerServer struct {
	name     string // in the certificates of the store's instances
	keys     *instancekeys.Keys
	listener net.Listener
	web      *http.Server
	logger   *zap.Logger
	member   *embed.Etcd // set before serving
	severed  *severance
	ended    chan struct{}
	endOnce  sync.Once

	mu   sync.Mutex
	open map[net.Conn]*peerConn
}

// peerConn is a connection of another instance.
type peerConn struct {
	opened time.Time
	active bool           // the handshake and a request were made
	peer   *identity.Peer // set by recheck
}

// listenPeers binds the cluster port. It returns nil if the port is plain: then etcd serves it.
func listenPeers(spec engine.Spec, keys *instancekeys.Keys, logger *zap.Logger) (*peerServer, error) {
	if !spec.SecuredCluster() {
		return nil, nil
	}
	at := net.JoinHostPort(spec.Bind, strconv.Itoa(spec.ClustronPort))
	listener, err := rafthttp.NewListener(url.URL{Scheme: "http", Host: at}, nil) // with the timeouts that etcd expects
	if err != nil {
		return nil, err
	}
	p := &peerServer{name: spec.ClusterName, keys: keys, listener: listener, ended: make(chan struct{}),
		open: map[net.Conn]*peerConn{},
		logger: logger.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
			return zapcore.NewSamplerWithOptions(c, time.Minute, peerFailures, 0)
		}))}
	p.web = &http.Server{ReadHeaderTimeout: peerHandshakeLimit, ReadTimeout: peerReadLimit, ConnState: p.follow,
		ErrorLog: log.New(p, "", 0)}
	return p, nil
}

// Write logs a line of the HTTP server, such as the reason for a failed handshake. Connections without a handshake are
// not logged: other instances and the manager ask so whether the instance is up.
func (p *peerServer) Write(line []byte) (int, error) {
	if text := strings.TrimSpace(string(line)); !strings.HasSuffix(text, ": EOF") {
		p.logger.Warn("a connection to the cluster port failed", zap.String("why", text))
	}
	return len(line), nil
}

// serve answers the other instances. It is called once, and reports the end of the server to failed.
func (p *peerServer) serve(member *embed.Etcd, severed *severance, failed chan<- error) {
	if p == nil {
		return
	}
	p.member, p.severed = member, severed
	p.web.Handler = etcdhttp.NewPeerHandler(member.GetLogger(), member.Server)
	go func() { failed <- p.web.Serve(tls.NewListener(p.listener, p.keys.Peers(p.name, p.isMember))) }()
	go p.recheck()
}

// isMember reports whether the running store has a member of that name.
func (p *peerServer) isMember(instance string) bool {
	for _, m := range p.member.Server.Cluster().Members() {
		if m.Name == instance {
			return true
		}
	}
	return false
}

// follow is a hook of http.Server. It follows the state of a connection.
func (p *peerServer) follow(c net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateNew:
		p.open[c] = &peerConn{opened: time.Now()}
	case http.StateActive:
		if conn := p.open[c]; conn != nil {
			conn.active = true
		}
	case http.StateHijacked, http.StateClosed:
		delete(p.open, c)
	}
}

// recheck closes the connections of instances that may not take part any more, and cuts off those whose manager is no
// member of the cluster, until the server ends: etcd connects to these as well, and exchanges messages over its own
// connections.
func (p *peerServer) recheck() {
	tick := time.NewTicker(recheckEvery)
	defer tick.Stop()
	for {
		p.severed.exclude(p.keys.IsExcluded)
		p.closeRefused()
		select {
		case <-p.ended:
			return
		case <-tick.C:
		}
	}
}

func (p *peerServer) closeRefused() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, conn := range p.open {
		if err := p.check(c.(*tls.Conn), conn); err != nil {
			p.logger.Warn("the connection of another instance is closed", zap.Error(err))
			_ = c.Close()
		} else if !conn.active && time.Since(conn.opened) > peerHandshakeLimit {
			_ = c.Close()
		}
	}
}

// oldPeers returns the URIs of instances of whom only an authority vouches that is being replaced.
func (p *peerServer) oldPeers() []string {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, conn := range p.open {
		if conn.peer != nil && p.keys.IsOld(conn.peer) {
			out = append(out, conn.peer.Identity.String())
		}
	}
	return out
}

// check returns why the other end of a connection may not take part. It says nothing before the first request: during a
// handshake the state of the connection can't be read.
func (p *peerServer) check(c *tls.Conn, conn *peerConn) (err error) {
	if !conn.active {
		return nil
	}
	if conn.peer == nil {
		if conn.peer, err = p.keys.Admit(c.ConnectionState().PeerCertificates); err != nil {
			return err
		}
	}
	return p.keys.CheckPeer(conn.peer, p.name, p.isMember)
}

// close ends the server at once. It can be called again.
func (p *peerServer) close() {
	if p == nil {
		return
	}
	p.endOnce.Do(func() { close(p.ended) })
	_ = p.web.Close()
	_ = p.listener.Close()
}
