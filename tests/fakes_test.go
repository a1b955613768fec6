package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	fakes "dkvrun/runtime/fakemanager"
	"dkvrun/runtime/wire"
)

// target is one of the two managers, a real one and a fake, that get the same requests.
type target struct {
	t                       *testing.T
	host, address, identity string
}

func opID(n int) string { return fmt.Sprintf("0198f0a0-0000-7000-8000-%012d", n) }

func (p *target) self() wire.Manager {
	return wire.Manager{Identity: p.identity, URL: "http://" + p.address}
}

// edit modifies an operation.
type edit func(*target, *wire.Operation)

// change returns operation n. Unless edits change it, it creates a store with one instance on this manager only.
func (p *target) change(n int, edits ...edit) wire.Operation {
	c := wire.Operation{
		ID: opID(n), Action: wire.CreateAction, Store: "OrdersStore", Owner: "tester", Coordinator: p.identity, Managers: []wire.Manager{p.self()},
		Epoch: 1, Creation: opID(n), Desired: wire.DesiredStopped, Nodes: p.nodes("orders", 1, 17811),
	}
	for _, f := range edits {
		f(p, &c)
	}
	c.Founders = wire.Founders(c.Nodes)
	return c
}

// nodes returns a number of instances on the manager's server, with consecutive ports.
func (p *target) nodes(prefix string, count, port int) []wire.Node {
	nodes := []wire.Node{}
	for i := range count {
		nodes = append(nodes, wire.Node{
			Name: fmt.Sprintf("%s-%d", prefix, i+1), Host: p.host, ClustronPort: port + i, ClientPort: port + 50 + i, Role: wire.Data,
			Manager: p.address,
		})
	}
	return nodes
}

// send sends a request and returns the status and the body of the answer.
func (p *target) send(method, path string, query url.Values, body any) (int, []byte) {
	p.t.Helper()
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	request, err := http.NewRequest(method, "http://"+p.address+path+"?"+query.Encode(), bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err = io.ReadAll(answer.Body); err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, text
}

// own are the fields that depend on the manager or the time, or are texts for people.
var own = []string{"message", "hint", "since", "digest", "pid", "startedAt", "leader", "ready", "lastError", "restarts", "boot", "capabilities", "catalogDigest", "version", "generation"}

// plain returns a value of an answer without the fields of own and without empty values.
func (p *target) plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			if item = p.plain(item); item == nil || slices.Contains(own, key) {
				delete(v, key)
			} else {
				v[key] = item
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = p.plain(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		v = strings.NewReplacer(p.identity, "<identity>", p.address, "<address>", p.host, "<host>").Replace(v)
		if strings.HasPrefix(v, "d-") { // contains a digest
			return "d-"
		}
		return v
	case bool:
		if !v {
			return nil
		}
	}
	return value
}

// TestFakeManager_AnswersLikeManagers sends the same requests to a real manager and a fake. Both have to give the same
// answer, and the expected one.
func TestFakeManager_AnswersLikeManagers(t *testing.T) {
	t.Parallel()
	f := &fleet{dir: filepath.Join(t.TempDir(), "managers")}
	t.Cleanup(f.close)
	if err := f.start([]string{"127.43.1.1"}); err != nil {
		t.Fatal(err)
	}
	plan := fakes.Plan{Count: 8, Port: 7943}
	stop, err := fakes.Serve(plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	last := plan.Address(plan.Count - 1) // the first fakes start with a store
	host, _, _ := strings.Cut(last, ":")
	real, fake := &target{t: t, host: "127.43.1.1", address: "127.43.1.1:7801"}, &target{t: t, host: host, address: last}
	for _, p := range []*target{real, fake} {
		p.identify()
	}
	compareAnswers(t, exchanges, real, fake)
}

// TestFakes_SuspectAnswersLikeManager compares a manager that fell back to an older catalog with a suspect fake.
func TestFakes_SuspectAnswersLikeManager(t *testing.T) {
	const host = "127.43.1.2"
	f := &fleet{dir: filepath.Join(t.TempDir(), "managers")}
	t.Cleanup(f.close)
	if err := f.start([]string{host}); err != nil {
		t.Fatal(err)
	}
	real := &target{t: t, host: host, address: host + ":7801"}
	real.identify()
	for _, x := range []exchange{create("code:ok", "UsersStore", 1), remove("code:ok", wire.StorePath("UsersStore"))} {
		x.with(real) // each request writes a generation of the catalog
	}
	if err := f.kill([]string{host}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"catalog.json", "catalog.json.1"} {
		if err := os.Truncate(filepath.Join(f.dir, host, name), 100); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.start([]string{host}); err != nil {
		t.Fatal(err)
	}
	plan := fakes.Plan{Count: 1, Port: 7944, Faults: []fakes.Fault{fakes.Suspect}}
	stop, err := fakes.Serve(plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	fakeHost, _, _ := strings.Cut(plan.Address(0), ":")
	fake := &target{t: t, host: fakeHost, address: plan.Address(0)}
	fake.identify()
	compareAnswers(t, suspectExchanges, real, fake)
}

// identify queries the manager's identity.
func (p *target) identify() {
	p.t.Helper()
	var info wire.Info
	if _, text := p.send("GET", wire.InfoPath(), nil, nil); json.Unmarshal(text, &info) != nil || info.Identity == "" {
		p.t.Fatalf("%s answers %s to GET info", p.address, text)
	}
	p.identity = info.Identity
}

// compareAnswers sends exchanges to a manager and to a fake. Both have to give the same answer, and the expected one.
func compareAnswers(t *testing.T, exchanges []exchange, real, fake *target) {
	t.Helper()
	for _, x := range exchanges {
		title := x.method + " " + x.path + ", " + x.says
		status, want := x.with(real)
		fakeStatus, got := x.with(fake)
		if status != fakeStatus || !reflect.DeepEqual(want, got) {
			t.Errorf("%s\nthe real one: %d %v\nthe fake:     %d %v", title, status, want, fakeStatus, got)
		}
		if said := fmt.Sprint(want); !strings.Contains(said, x.says) {
			t.Errorf("%s: got %d %s", title, status, said)
		}
	}
}

// with sends the request to a manager and returns its answer.
func (x exchange) with(p *target) (int, any) {
	p.t.Helper()
	query := url.Values{}
	for name, values := range x.query {
		query.Set(name, strings.Replace(values[0], "<identity>", p.identity, 1))
	}
	var body any
	if x.body != nil {
		body = x.body(p)
	}
	status, text := p.send(x.method, x.path, query, body)
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		p.t.Fatalf("%s %s: %v: %s", x.method, x.path, err, text)
	}
	return status, p.plain(value)
}
