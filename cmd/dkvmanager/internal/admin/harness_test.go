package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// ownHost is the manager's host, otherHost that of another server.
const (
	ownHost   = "127.23.1.11"
	otherHost = "127.23.1.12"
)

// harness is an API over a real catalog and a fake supervisor.
type harness struct {
	t       *testing.T
	api     *API
	catalog *catalog.Catalog
	sup     *fakeSupervisor
	server  *httptest.Server
	doc     *openapi3.T
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	cat, err := catalog.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &harness{t: t, catalog: cat,
		sup: &fakeSupervisor{catalog: cat, running: map[string]bool{}, taken: map[int]bool{}}, doc: document3(t)}
	b.api = New(Options{
		Catalog: cat, Supervisor: b.sup,
		Owns: func(n wire.Node) bool { return n.Host == ownHost },
		Host: ownHost, Listen: ownHost + ":7801", Dir: cat.Dir(), Boot: "boot", Engine: "etcd",
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	b.server = httptest.NewServer(b.api)
	t.Cleanup(func() { b.server.Close(); _ = cat.Close() })
	return b
}

// loadDocument reads the API's description, once for all tests.
var loadDocument = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(openAPI) })

func document3(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// file returns the catalog's file.
func (b *harness) file() []byte {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.catalog.Dir(), "catalog.json"))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// send makes a request, checks the response against the API's description, and checks that a refused request
// changed nothing on disk.
func (b *harness) send(req *http.Request) (status int, body []byte) {
	b.t.Helper()
	before := b.file()
	resp, err := b.server.Client().Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		b.t.Fatal(err)
	}
	if err := b.conforms(req, resp, body); err != nil {
		b.t.Errorf("%s %s: the answer is not as described: %v\n%s", req.Method, req.URL, err, body)
	}
	if resp.StatusCode != http.StatusOK && !bytes.Equal(before, b.file()) {
		b.t.Errorf("%s %s: refused with %d, and the catalog changed", req.Method, req.URL, resp.StatusCode)
	}
	return resp.StatusCode, body
}

// conforms checks a response against the description of its route, or against that of refusals if the request has no
// route.
func (b *harness) conforms(req *http.Request, resp *http.Response, body []byte) error {
	r, _, _ := match(req.Method, req.URL.EscapedPath())
	if r == nil {
		var value any
		if err := json.Unmarshal(body, &value); err != nil {
			return err
		}
		return b.doc.Components.Schemas["Refused"].Value.VisitJSON(value)
	}
	path := wire.Prefix + r.path
	item := b.doc.Paths.Value(path)
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: req,
			Route: &routers.Route{Spec: b.doc, Path: path, PathItem: item, Method: req.Method,
				Operation: item.GetOperation(req.Method)},
		},
		Status: resp.StatusCode, Header: resp.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	return openapi3filter.ValidateResponse(context.Background(), input.SetBodyBytes(body))
}

func (b *harness) request(method, path string, body any) *http.Request {
	b.t.Helper()
	var source io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		source = strings.NewReader(v)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			b.t.Fatal(err)
		}
		source = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, b.server.URL+path, source)
	if err != nil {
		b.t.Fatal(err)
	}
	return req
}

// do makes a request whose response is a result. A body that is a string is sent as it is.
func (b *harness) do(method, path string, body any) wire.Result {
	b.t.Helper()
	status, text := b.send(b.request(method, path, body))
	var result wire.Result
	if err := json.Unmarshal(text, &result); err != nil {
		b.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	if result.StatusCode != status {
		b.t.Errorf("%s %s: HTTP status %d, result says %d", method, path, status, result.StatusCode)
	}
	return result
}

// must makes a request that must succeed.
func (b *harness) must(method, path string, body any, code, message string) {
	b.t.Helper()
	got := b.do(method, path, body)
	if !got.Success || got.Code != code || got.Message != message {
		b.t.Fatalf("%s %s: got %s %q, want %s %q", method, path, got.Code, got.Message, code, message)
	}
}

// refused makes a request that must fail with a message that contains said.
func (b *harness) refused(method, path string, body any, code, said string) {
	b.t.Helper()
	got := b.do(method, path, body)
	if got.Success || got.Code != code || !strings.Contains(got.Message, said) {
		b.t.Errorf("%s %s: got %s %q, want %s and %q", method, path, got.Code, got.Message, code, said)
	}
}

func (b *harness) store(name string) wire.Store {
	b.t.Helper()
	var s wire.Store
	b.get(wire.StorePath(name), &s)
	return s
}

func (b *harness) get(path string, into any) {
	b.t.Helper()
	status, body := b.send(b.request("GET", path, nil))
	if status != http.StatusOK {
		b.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		b.t.Fatalf("GET %s: %v", path, err)
	}
}

// nodes returns count nodes orders-1…, distributed over hosts round-robin, without roles.
func nodes(count int, hosts ...string) []wire.Node {
	out := make([]wire.Node, count)
	for i := range out {
		out[i] = wire.Node{Name: fmt.Sprintf("orders-%d", i+1), Host: hosts[i%len(hosts)], ClustronPort: 17811 + i,
			ClientPort: 17861 + i}
	}
	return out
}

func orders(count int, hosts ...string) wire.CreateStore {
	return wire.CreateStore{Name: "OrdersStore", Nodes: nodes(count, hosts...)}
}
