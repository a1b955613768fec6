package crash

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// Kinds of messages, derived from path and body.
const (
	info      = "info"
	preflight = "preflight"
	prepare   = "prepare"
	commit    = "commit"
	abort     = "abort"
	renew     = "renew"
	state     = "state" // sent by one manager to another
	other     = "other"
)

// verdict is the fault that the network applies to a message.
type verdict int

const (
	pass  verdict = iota
	drop          // the connection is reset
	twice         // the request arrives twice
	half          // the connection is reset inside the answer's body
	late          // it arrives after its sender's timeout
	again         // it arrives, and a second time much later
	slow          // the answer takes longer than the interval of renewals
)

// message is a request to a manager, or its answer.
type message struct {
	manager int
	verb    string
	answer  bool
	// nth counts the messages of this verb and direction to this manager, from 1.
	nth int
}

// network is the network of one cluster: all messages pass its proxies, which apply the rule.
type network struct {
	mu     sync.Mutex
	rule   func(message) verdict
	seen   map[message]int
	behind sync.WaitGroup // late messages in flight
	// proxyOf maps the address of each manager to that of its proxy. It doesn't change once a proxy serves.
	proxyOf map[string]string
}

// set replaces the rule and resets the counters. The rule is called for one message at a time.
func (n *network) set(rule func(message) verdict) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rule, n.seen = rule, map[message]int{}
}

func (n *network) judge(m message) verdict {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.rule == nil {
		return pass
	}
	n.seen[m]++
	m.nth = n.seen[m]
	return n.rule(m)
}

// lateBy is longer than the timeout of the runners under test. These are processes with real timeouts, so the proxies
// really pause: no condition shows a runner's timeout to them.
const lateBy = 2500 * time.Millisecond

// serve runs the proxy of a manager until the server is closed.
func (n *network) serve(t testing.TB, i int, m *manager) *http.Server {
	t.Helper()
	listener, err := net.Listen("tcp", m.adv+":7801")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		about := message{manager: i, verb: verb(r, body)}
		verdict := n.judge(about)
		switch verdict {
		case drop:
			cut(w)
			return
		case late:
			n.behind.Go(func() { time.Sleep(lateBy); _, _, _ = n.carry(m, r, body) })
			cut(w)
			return
		case again:
			n.behind.Go(func() { time.Sleep(lateBy); _, _, _ = n.carry(m, r, body) })
		case twice:
			_, _, _ = n.carry(m, r, body)
		}
		status, header, answer := n.carry(m, r, body)
		about.answer = true
		verdict = n.judge(about)
		if status == 0 || verdict == drop {
			cut(w)
			return
		}
		switch verdict {
		case late:
			time.Sleep(lateBy)
		case slow:
			time.Sleep(wire.RenewEvery + time.Second) // a real pause, for the same reason as lateBy
		}
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		if verdict == half {
			_, _ = w.Write(answer[:len(answer)/2])
			_ = http.NewResponseController(w).Flush()
			cut(w)
			return
		}
		_, _ = w.Write(answer)
	})}
	go func() { _ = server.Serve(listener) }()
	return server
}

// cut resets the connection.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the other end closed it first
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// carry forwards a request to the manager and returns the answer. The status is 0 if there is none.
func (n *network) carry(m *manager, r *http.Request, body []byte) (int, http.Header, []byte) {
	ctx := context.WithValue(context.Background(), senderKey{}, n.sender(r.RemoteAddr))
	request, err := http.NewRequestWithContext(ctx, r.Method, "http://"+m.ip+":7801"+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil
	}
	request.Header = r.Header.Clone()
	response, err := raw.Do(request)
	if err != nil {
		return 0, nil, nil
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, nil
	}
	return response.StatusCode, response.Header, answer
}

// raw is a client that doesn't change requests and answers. It connects from the address of the sender.
var raw = &http.Client{Timeout: 20 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: dialAsSender}}

// senderKey is the key of a request's sender in its context.
type senderKey struct{}

func dialAsSender(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	if sender, ok := ctx.Value(senderKey{}).(net.IP); ok && sender != nil {
		d.LocalAddr = &net.TCPAddr{IP: sender}
	}
	return d.DialContext(ctx, network, address)
}

// sender returns the address under which a manager of the cluster is reached, if a request from the given address comes
// from one: a manager sees others at the addresses at which it reaches them. It is nil for other clients.
func (n *network) sender(from string) net.IP {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		return nil
	}
	return net.ParseIP(n.proxyOf[host])
}

func verb(r *http.Request, body []byte) string {
	path := strings.TrimPrefix(r.URL.Path, wire.Prefix)
	switch {
	case path == "/info":
		return info
	case path == "/operations" && r.Method == http.MethodPost:
		if r.Header.Get("Content-Encoding") == "gzip" {
			if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
				body, _ = io.ReadAll(z)
			}
		}
		var c wire.Operation
		if json.Unmarshal(body, &c) == nil && c.DryRun {
			return preflight
		}
		return prepare
	}
	for _, last := range []string{commit, abort, renew, state} {
		if strings.HasSuffix(path, "/"+last) {
			return last
		}
	}
	return other
}
