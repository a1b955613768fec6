package admin

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

func TestBody_Malformed(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(2, ownHost), wire.CodeOK, "Created")
	node := `{"name":"a-1","host":"127.23.1.11","clustronPort":18811,"clientPort":18861%s}`
	plain := fmt.Sprintf(node, "")
	with := func(more string) string { return `{"name":"S","nodes":[` + fmt.Sprintf(node, more) + `]}` }
	cases := []struct{ body, code, said string }{
		{``, wire.CodeBadRequest, "not JSON"},
		{`nodes`, wire.CodeBadRequest, "not JSON: line 1"},
		{"{\n\"name\": \"S\",\n}", wire.CodeBadRequest, "line 3"},
		{`{"name":"S"`, wire.CodeBadRequest, "not JSON"},
		{`[]`, wire.CodeBadRequest, "the body: got a list, want an object"},
		{`null`, wire.CodeBadRequest, "the body: got null, want an object"},
		{`"S"`, wire.CodeBadRequest, `got the string "S"`},
		{with("") + `{}`, wire.CodeBadRequest, "after top-level value"},
		{with("") + ` x`, wire.CodeBadRequest, "after top-level value"},
		{"\xff" + with(""), wire.CodeBadRequest, "not UTF-8"},
		{`{"name":"S","nodes":[` + plain + `],"name":"S"}`, wire.CodeBadRequest, "name: is given twice"},
		{`{"name":"S","nodes":[` + plain + `],"Name":"S"}`, wire.CodeBadRequest, `Name: is given twice, before as "name"`},
		{with(`,"host":"x"`), wire.CodeBadRequest, "nodes[0].host: is given twice"},
		{with(`,"HOST":"x"`), wire.CodeBadRequest, "nodes[0].HOST: is given twice"},
		{with(`,"colour":"x"`), wire.CodeBadRequest, "nodes[0].colour: is not a field here"},
		{`{"Name":"S","nodes":[` + plain + `]}`, wire.CodeBadRequest, "Name: is not a field here"},
		{`{"name":"S","nodes":[` + plain + `],"revision":1}`, wire.CodeBadRequest, "revision: is not a field here"},
		{`{"name":"S","nodes":[` + plain + `],"\u0000\u001b[2J":1}`, wire.CodeBadRequest, `\x00\x1b[2J`},
		{`{"name":1,"nodes":[]}`, wire.CodeBadRequest, "name: got 1, want a string"},
		{`{"name":null,"nodes":[]}`, wire.CodeBadRequest, "name: got null, want a string"},
		{`{"name":"S","nodes":{}}`, wire.CodeBadRequest, "nodes: got an object, want a list"},
		{`{"name":"S","nodes":[` + plain + `,7]}`, wire.CodeBadRequest, "nodes[1]: got 7, want an object"},
		{with(`,"role":true`), wire.CodeBadRequest, "nodes[0].role: got true, want a string"},
		{strings.Replace(with(""), "18811", `"18811"`, 1), wire.CodeBadRequest, `nodes[0].clustronPort: got the string "18811", want a whole number`},
		{strings.Replace(with(""), "18811", "18811.5", 1), wire.CodeBadRequest, "nodes[0].clustronPort: got 18811.5, want a whole number"},
		{strings.Replace(with(""), "18811", "1e400", 1), wire.CodeBadRequest, "want a whole number"},
		{strings.Replace(with(""), "18811", strings.Repeat("9", 1<<20), 1), wire.CodeBadRequest, "a number or white space that is too long, up to byte 16"},
		{strings.Replace(with(""), "18811", strings.Repeat("9", 1600), 1), wire.CodeBadRequest, "want a whole number"},
		{`{"name":"` + strings.Repeat("x", 1<<20) + `"}`, wire.CodeBadRequest, "a text, a number or white space that is too long, up to byte 1625"},
		{`{` + strings.Repeat(" ", 1<<17) + `"name":"S"}`, wire.CodeBadRequest, "white space that is too long, up to byte 65538"},
		{`{"name":"` + strings.Repeat(`\u0061`, 253) + `","nodes":[` + plain + `]}`, wire.CodeBadName, "at most 63"},
		{`{"nodes":[0` + strings.Repeat(",0", 1<<17+1) + `]}`, wire.CodeBadRequest, "more than 131072 elements"},
		{`{"name":"S","nodes":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`, wire.CodeBadRequest, "nodes[0]: got a list"},
		{`{"name":"S","nodes":[{}` + strings.Repeat(",{}", 1024) + `]}`, wire.CodeBadRequest, "nodes: has more than 1024 elements"},
		{with(`,"manager":"` + strings.Repeat("x", 270) + `"`), wire.CodeBadRequest, "nodes[0].manager: has 270 bytes: at most 269 are allowed"},
		{with(`,"manager":"x"`), wire.CodeBadTopology, `nodes[0].manager: got "x", want HOST:PORT`},
		{`{"name":"S","nodes":[` + plain + `],"managers":[{"identity":"` + strings.Repeat("x", 65) + `","url":"http://x"}]}`, wire.CodeBadRequest, "managers[0].identity: has 65 bytes"},
		{`{"name":"S","nodes":[` + plain + `],"managers":[{"identity":"a","url":"http://x/path?q="}]}`, wire.CodeBadRequest, "managers[0].url: got"},
		{`{"name":"S","nodes":` + strings.Repeat("[", 1<<20), wire.CodeBadRequest, "nested more than 100 deep, at byte 120"},
		{`{"name":"S","nodes":` + strings.Repeat("[", 90), wire.CodeBadRequest, "not JSON"},
		{`{"name":"S","x":` + strings.Repeat(`{"x":`, 5000) + "1" + strings.Repeat("}", 5001), wire.CodeBadRequest, "nested more than 100 deep"},

		{`{"nodes":[` + plain + `]}`, wire.CodeBadName, "name: is empty"},
		{`{"name":"../x","nodes":[` + plain + `]}`, wire.CodeBadName, `"../x"`},
		{`{"name":"` + strings.Repeat("a", 64) + `","nodes":[` + plain + `]}`, wire.CodeBadName, "at most 63"},
		{`{"name":"S"}`, wire.CodeBadTopology, "nodes: is empty"},
		{`{"name":"S","nodes":[{}]}`, wire.CodeBadTopology, "nodes[0].name: is empty"},
		{`{"name":"S","nodes":[` + plain + `,` + plain + `]}`, wire.CodeBadTopology, "nodes[1].name"},
		{strings.Replace(with(""), "18811", "0", 1), wire.CodeBadTopology, "nodes[0].clustronPort: 0 is not a port"},
		{strings.Replace(with(""), "18811", "65536", 1), wire.CodeBadTopology, "nodes[0].clustronPort: 65536 is not a port"},
		{strings.Replace(with(""), "18811", "18861", 1), wire.CodeBadTopology, "nodes[0].clientPort"},
		{strings.Replace(with(""), "127.23.1.11", "0.0.0.0", 1), wire.CodeBadTopology, "nodes[0].host: 0.0.0.0 means"},
		{with(`,"role":"leader"`), wire.CodeBadTopology, `nodes[0].role: "leader" is not a role`},
		{with(`,"role":"gateway"`), wire.CodeBadTopology, "no node has the role data"},
		{`{"name":"S","nodes":[` + fmt.Sprintf(node, `,"role":"data"`) + `,` + strings.NewReplacer("a-1", "a-2", "188", "189").Replace(plain) + `]}`, wire.CodeBadTopology, "nodes[1].role: is missing"},
		{`{"name":"S","nodes":[` + plain + `],"operation":"../../etc"}`, wire.CodeBadRequest, "operation: got"},
		{`{"name":"S","nodes":[` + plain + `],"managers":[{"identity":"","url":"http://x"}]}`, wire.CodeBadRequest, "managers[0].identity: is empty"},
		{`{"name":"S","nodes":[` + plain + `],"managers":[{"identity":"a","url":"ftp://x"}]}`, wire.CodeBadRequest, "managers[0].url"},
		{`{"name":"S","nodes":[` + plain + `],"managers":[{"identity":"a","url":"http://x"},{"identity":"a","url":"http://y"}]}`, wire.CodeBadRequest, `managers[1].identity: "a" is given twice`},
		{`{"name":"S","nodes":[` + plain + `],"managers":[{"identity":"a","url":"http://x"}],"home":"b"}`, wire.CodeBadRequest, "home: "},
	}
	for _, c := range cases {
		b.refused("POST", wire.StoresPath(), c.body, c.code, c.said)
	}
	many := wire.CreateStore{Name: "S"}
	for i := range wire.MaxInstances + 1 {
		many.Nodes = append(many.Nodes,
			wire.Node{Name: fmt.Sprintf("a-%d", i), Host: ownHost, ClustronPort: 20000 + i, ClientPort: 30000 + i})
	}
	b.refused("POST", wire.StoresPath(), many, wire.CodeBadTopology, "at most 256")
	b.refused("POST", wire.InstancesPath("OrdersStore"), `{"nodes":[`+plain+`]}`, wire.CodeBadRequest, "baseRevision: is missing")
	b.refused("POST", wire.InstancesPath("OrdersStore"), `{"baseRevision":-1,"nodes":[`+plain+`]}`, wire.CodeBadRequest, "baseRevision: got -1, want a whole number from 0")
	for _, revision := range []string{"9007199254740991", "18446744073709551615"} {
		b.refused("POST", wire.InstancesPath("Other"), `{"baseRevision":`+revision+`,"nodes":[`+plain+`]}`, wire.CodeBadRequest, "baseRevision: "+revision+" is more")
	}
	b.refused("POST", wire.InstancesPath("OrdersStore"), `{"baseRevision":1,"epoch":4294967298,"nodes":[`+plain+`]}`, wire.CodeBadRequest, "epoch: 4294967298 is too far above 1")
	b.refused("POST", wire.InstancesPath("OrdersStore"), `{"baseRevision":1,"nodes":[`+plain+`],"desired":"Sleeping"}`, wire.CodeBadRequest, "desired: got")
	b.refused("POST", wire.InstancesPath("OrdersStore"), `{"baseRevision":1,"nodes":[`+plain+`],"founding":"yes"}`, wire.CodeBadRequest, "founding: got")
	b.refused("POST", wire.InstancesPath("OrdersStore"), `{"baseRevision":1,"nodes":[`+plain+`],"founders":[{"name":"a/b","host":"x","clustronPort":1}]}`, wire.CodeBadTopology, "founders[0].name")
	b.refused("POST", wire.InstancesPath("OrdersStore"), `{"baseRevision":1,"nodes":[`+plain+`],"founders":[{"name":"a","host":"::","clustronPort":1}]}`, wire.CodeBadTopology, "founders[0].host")
	b.refused("POST", wire.InstancesPath("OrdersStore"), `{"baseRevision":1,"nodes":[`+plain+`],"founders":[{"name":"a","host":"x","clustronPort":0}]}`, wire.CodeBadTopology, "founders[0].clustronPort")
	b.refused("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", `{}`, wire.CodeBadRequest, "takes no body")
	b.refused("DELETE", wire.StorePath("OrdersStore"), `{}`, wire.CodeBadRequest, "takes no body")
}

func TestBody_Size(t *testing.T) {
	b := newHarness(t)
	space := strings.Repeat(" ", wire.MaxBody)
	b.refused("POST", wire.StoresPath(), space+"{}", wire.CodeBodyTooLarge, "over 8 MiB")

	many := strings.Repeat(strings.Repeat(" ", 60<<10)+"{}", wire.MaxBody/(60<<10)+1)
	inflates := b.request("POST", wire.StoresPath(), string(zipped(t, many)))
	inflates.Header.Set("Content-Encoding", "gzip")
	if status, body := b.send(inflates); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that inflates beyond the limit: %d %s", status, body)
	}
	garbage := b.request("POST", wire.StoresPath(), "not zipped")
	garbage.Header.Set("Content-Encoding", "gzip")
	if status, body := b.send(garbage); status != http.StatusBadRequest {
		t.Errorf("a body that is not gzip: %d %s", status, body)
	}
	cut := zipped(t, `{"name":"S","nodes":[]}`)
	half := b.request("POST", wire.StoresPath(), string(cut[:len(cut)-6]))
	half.Header.Set("Content-Encoding", "gzip")
	if status, body := b.send(half); status != http.StatusBadRequest {
		t.Errorf("a gzip body that ends early: %d %s", status, body)
	}
	brotli := b.request("POST", wire.StoresPath(), "x")
	brotli.Header.Set("Content-Encoding", "br")
	if status, body := b.send(brotli); status != http.StatusBadRequest || !bytes.Contains(body, []byte("send gzip or none")) {
		t.Errorf("an unknown encoding: %d %s", status, body)
	}

	text, err := json.Marshal(orders(1, ownHost))
	if err != nil {
		t.Fatal(err)
	}
	good := b.request("POST", wire.StoresPath(), string(zipped(t, string(text))))
	good.Header.Set("Content-Encoding", "gzip")
	if status, body := b.send(good); status != http.StatusOK {
		t.Errorf("a zipped body: %d %s", status, body)
	}
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRoutes_BadPathsAndMethods(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	for _, c := range []struct{ method, path, code, said string }{
		{"GET", "/", wire.CodeNotFound, `"/" is not a path`},
		{"GET", "/metrics2", wire.CodeNotFound, "is not a path"},
		{"GET", wire.Prefix, wire.CodeNotFound, "is not a path"},
		{"GET", wire.Prefix + "/stores/", wire.CodeNotFound, "is not a path"},
		{"GET", wire.Prefix + "//stores", wire.CodeNotFound, "is not a path"},
		{"GET", wire.Prefix + "/stores/OrdersStore/instances/orders-1", wire.CodeMethodNotAllowed, "use DELETE"},
		{"PUT", wire.StoresPath(), wire.CodeMethodNotAllowed, "use GET or POST"},
		{"PATCH", wire.StorePath("OrdersStore"), wire.CodeMethodNotAllowed, "use DELETE or GET"},
		{"GET", wire.InstancePath("OrdersStore", "orders-1") + "/start", wire.CodeMethodNotAllowed, "use POST"},
		{"GET", wire.Prefix + "/stores/%2e%2e", wire.CodeBadName, `".."`},
		{"DELETE", wire.Prefix + "/stores/%2e%2e%2f%2e%2e", wire.CodeBadName, "../.."},
		{"DELETE", wire.Prefix + "/stores/Orders%2FStore", wire.CodeBadName, "Orders/Store"},
		{"GET", wire.Prefix + "/stores/a%00b", wire.CodeBadName, `\x00`},
		{"GET", wire.InstancePath("OrdersStore", "../x") + "/log", wire.CodeBadName, "../x"},
		{"GET", wire.StorePath("Other"), wire.CodeStoreNotFound, "no store Other"},
		{"GET", wire.StorePath("ordersstore"), wire.CodeStoreNotFound, "but OrdersStore"},
		{"GET", wire.StoresPath() + "?name=x", wire.CodeBadRequest, `parameter "name" is not known here`},
		{"GET", wire.StoresPath() + "?a=%zz", wire.CodeBadRequest, "the query can't be read"},
		{"GET", wire.MetricsPath() + "?windowSec=5&windowSec=5", wire.CodeBadRequest, "parameter windowSec is given twice"},
		{"GET", wire.MetricsPath() + "?windowSec=0", wire.CodeBadRequest, `got "0", want a whole number from 1 to 60`},
		{"GET", wire.MetricsPath() + "?windowSec=61", wire.CodeBadRequest, "from 1 to 60"},
		{"GET", wire.MetricsPath() + "?windowSec=", wire.CodeBadRequest, "from 1 to 60"},
		{"GET", wire.MetricsPath() + "?WindowSec=5", wire.CodeBadRequest, "there is windowSec, store"},
		{"GET", wire.MetricsPath() + "?store=", wire.CodeBadName, "parameter store: is empty"},
		{"GET", wire.MetricsPath() + "?store=Other", wire.CodeStoreNotFound, "no store Other"},
		{"GET", wire.InstancePath("OrdersStore", "orders-1") + "/log?tail=0", wire.CodeBadRequest, "from 1 to 10000"},
		{"GET", wire.InstancePath("OrdersStore", "orders-9") + "/log", wire.CodeInstanceNotFound, "no instance orders-9"},
		{"DELETE", wire.StorePath("OrdersStore") + "?force=yes", wire.CodeBadRequest, `parameter force: got "yes", want true or false`},
		{"POST", wire.InstancePath("OrdersStore", "orders-1") + "/stop?force=1", wire.CodeBadRequest, "true or false"},
		{"DELETE", wire.InstancePath("OrdersStore", "orders-1") + "?baseRevision=x", wire.CodeBadRequest, "parameter baseRevision"},
		{"DELETE", wire.InstancePath("OrdersStore", "orders-1") + "?loseData=", wire.CodeBadRequest, "parameter loseData"},
	} {
		b.refused(c.method, c.path, nil, c.code, c.said)
	}
	req := b.request("PUT", wire.StoresPath(), nil)
	resp, err := b.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if allow := resp.Header.Get("Allow"); allow != "GET, POST" {
		t.Errorf("Allow: %q", allow)
	}
}

// A refused request allocates little, whatever its body would inflate to: the body is refused where it exceeds a bound.
func TestBody_RefusedRequestsAllocateLittle(t *testing.T) {
	const requests = 10_000
	b := newHarness(t)
	b.api.Log = slog.New(slog.DiscardHandler)
	huge := zipped(t, `{"survivors":[],"lost":"`+strings.Repeat("x", wire.MaxBody-100)+`"}`)
	before := b.file()
	refuse := func() {
		body := io.NopCloser(bytes.NewReader(huge))
		r := httptest.NewRequest("POST", "http://localhost"+b.to(wire.FencePath("n0")), body)
		r.Header.Set("Content-Encoding", "gzip")
		w := deadlineRecorder{httptest.NewRecorder()}
		b.api.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "too long") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	refuse() // the pool of inflaters has one then
	var first, last runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&first)
	for range requests {
		refuse()
	}
	runtime.GC()
	runtime.ReadMemStats(&last)
	allocated, kept := (last.TotalAlloc-first.TotalAlloc)/requests, int64(last.HeapAlloc)-int64(first.HeapAlloc)
	t.Logf("each allocated %d bytes, with the test's own; %d bytes of %d requests stay", allocated, kept, requests)
	if allocated > 64<<10 || kept > 4<<20 {
		t.Errorf("each refused request allocated %d bytes, and %d bytes of %d stay", allocated, kept, requests)
	}
	if !bytes.Equal(before, b.file()) {
		t.Error("the catalog changed")
	}
}

// deadlineRecorder records a response, and accepts deadlines, which it ignores.
type deadlineRecorder struct{ *httptest.ResponseRecorder }

func (deadlineRecorder) SetReadDeadline(time.Time) error { return nil }
