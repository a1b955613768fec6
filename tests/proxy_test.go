package tests

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/rogpeppe/go-internal/testscript"

	"dkvrun/runtime/wire"
)

// proxyCommand starts a proxy on port 7801 of a host, in front of the manager on another one, or tells it which fault
// to inject:
//
//	proxy HOST MANAGER              passes everything on
//	proxy HOST prepare FIELD=VALUE  changes a field of the next prepare, such as nodes.1.clientPort
//	proxy HOST body FIELD=VALUE     the same for the next request that this manager alone carries out (atomic = false)
//	proxy HOST query NAME=VALUE     changes a parameter of the next request that removes or stops something
//	proxy HOST commit CODE          answers the next commit with a refusal that the manager did not give
func proxyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: proxy HOST MANAGER, proxy HOST prepare|body|query NAME=VALUE, or proxy HOST commit CODE")
	}
	if len(args) == 3 {
		ts.Value(proxiesKey{}).(map[string]*proxy)[args[0]].next.Store(&disturbance{args[1], args[2]})
		return
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(args[0], "7801"))
	ts.Check(err)
	p := &proxy{}
	ts.Value(proxiesKey{}).(map[string]*proxy)[args[0]] = p
	reverse := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: net.JoinHostPort(args[1], "7801")})
	server := &http.Server{Handler: p.handler(reverse)}
	go func() { _ = server.Serve(listener) }()
	ts.Defer(func() { _ = server.Close() })
}

// proxiesKey is the key of a transcript's proxies, by host.
type proxiesKey struct{}

// proxy injects a fault into one message.
type proxy struct{ next atomic.Pointer[disturbance] }

// disturbance is the fault to inject into the next message of a kind.
type disturbance struct{ what, argument string }

// take returns the argument of the disturbance of a kind, once.
func (p *proxy) take(what string) (argument string, due bool) {
	d := p.next.Load()
	if d == nil || d.what != what || !p.next.CompareAndSwap(d, nil) {
		return "", false
	}
	return d.argument, true
}

func (p *proxy) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/commit") {
			if code, due := p.take("commit"); due {
				// The manager gets the commit, and the body of its answer is replaced.
				wire.SetManager(w.Header(), identity(next, r))
				w.WriteHeader(http.StatusConflict)
				_ = json.NewEncoder(w).Encode(wire.Result{
					Action: "Commit", StatusCode: http.StatusConflict, Code: code, Message: "it is not so",
				})
				return
			}
		}
		if r.Method == http.MethodDelete || strings.HasSuffix(r.URL.Path, "/stop") {
			if argument, due := p.take("query"); due {
				name, value, _ := strings.Cut(argument, "=")
				query := r.URL.Query()
				query.Set(name, value)
				r.URL.RawQuery = query.Encode()
			}
		}
		isPrepare := r.URL.Path == wire.OperationsPath()
		isChange := r.URL.Path == wire.StoresPath() || strings.HasSuffix(r.URL.Path, "/instances")
		if r.Method == http.MethodPost && (isPrepare || isChange) {
			body, err := readBody(r)
			if err == nil {
				body, err = p.alter(body, map[bool]string{true: "prepare", false: "body"}[isPrepare])
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Del("Content-Encoding")
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		}
		next.ServeHTTP(w, r)
	})
}

// alter changes a field of a body of a kind, once. It leaves dry runs as they are.
func (p *proxy) alter(body []byte, kind string) ([]byte, error) {
	var operation map[string]any
	if err := json.Unmarshal(body, &operation); err != nil {
		return nil, err
	}
	if operation["dryRun"] == true {
		return body, nil
	}
	argument, due := p.take(kind)
	if !due {
		return body, nil
	}
	path, value, _ := strings.Cut(argument, "=")
	words := strings.Split(path, ".")
	var at any = operation
	for _, word := range words[:len(words)-1] {
		switch v := at.(type) {
		case map[string]any:
			at = v[word]
		case []any:
			i, err := strconv.Atoi(word)
			if err != nil || i >= len(v) {
				return nil, fmt.Errorf("no element %q", word)
			}
			at = v[i]
		}
	}
	holder, ok := at.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("no field %s", path)
	}
	holder[words[len(words)-1]] = value
	if n, err := strconv.Atoi(value); err == nil {
		holder[words[len(words)-1]] = n
	}
	return json.Marshal(operation)
}

// readBody returns a request's body without its compression.
func readBody(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	inflate, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(inflate)
}

// identity passes a request on, drops the answer, and returns the identity that the manager states in it.
func identity(manager http.Handler, r *http.Request) string {
	answer := discard{http.Header{}}
	manager.ServeHTTP(answer, r)
	return answer.header.Get(wire.ManagerHeader)
}

// discard is an http.ResponseWriter that drops the answer.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// divergeCommand creates a store on managers as a driver of an older version did: it counts the votes whatever content
// they are for. The last manager gets another client port for its instance.
//
//	diverge STORE PORT HOST…
func divergeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: diverge STORE PORT HOST…")
	}
	port, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(diverge(args[0], port, args[2:]))
}

func diverge(store string, port int, hosts []string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	c := wire.Operation{ID: id.String(), Action: wire.CreateAction, Store: store, Epoch: 1, Creation: id.String(),
		Desired: wire.DesiredStopped}
	for i, host := range hosts {
		at := "http://" + net.JoinHostPort(host, "7801")
		var info wire.Info
		if err := call(http.MethodGet, at+wire.InfoPath(), nil, &info); err != nil {
			return err
		}
		c.Managers = append(c.Managers, wire.Manager{Identity: info.Identity, URL: at})
		if c.Coordinator == "" || info.Identity < c.Coordinator {
			c.Coordinator = info.Identity
		}
		c.Nodes = append(c.Nodes, wire.Node{Name: fmt.Sprintf("s-%d", i+1), Host: host, ClustronPort: 7811, ClientPort: 7861,
			Role: wire.Data, Manager: net.JoinHostPort(host, "7801")})
	}
	c.Founders = wire.Founders(c.Nodes)
	for i, m := range c.Managers {
		if i == len(hosts)-1 {
			c.Nodes[i].ClientPort = port
		}
		if err := call(http.MethodPost, m.URL+wire.OperationsPath()+"?to="+m.Identity, c, &wire.OperationStatus{}); err != nil {
			return err
		}
	}
	for _, m := range c.Managers {
		path := m.URL + wire.OperationPath(c.ID) + "/commit?epoch=1&to=" + m.Identity
		if err := call(http.MethodPost, path, nil, &wire.OperationStatus{}); err != nil {
			return err
		}
	}
	return nil
}

// call sends a request to a manager and decodes its answer.
func call(method, at string, body, into any) error {
	var text io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, at, text)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, at, answer.Status, got)
	}
	return wire.DecodeAnswer(got, into)
}
