package builtins

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// honest is a manager that answers every route of the API as managers do, for stores that it keeps in memory. A test
// may change its answers of one kind before they are sent.
type honest struct {
	fanout.Endpoint
	mu        sync.Mutex
	stores    map[string]*wire.Store
	operation *wire.Operation // the last that was prepared
	decided   map[string]wire.OperationStatus
	// change, unless nil, gets each answer with its kind and returns the answer to send instead.
	change func(kind string, a answered) answered
}

// answered is an answer, with the action and the operation of its request.
type answered struct {
	action    string // the action that a result has to name
	asked     wire.ActionRequest
	operation *wire.Operation
	status    int
	manager   string // the identity in the header; empty for no header
	body      string
}

func newHonest(t testing.TB, address string) *honest {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "7801"))
	if err != nil {
		t.Fatal(err)
	}
	h := &honest{Endpoint: fanout.Endpoint{Scheme: "http", Host: address, Port: 7801}}
	h.reset(nil)
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return h
}

// reset leaves only store S, which runs one instance, and sets the function that changes answers.
func (h *honest) reset(change func(string, answered) answered) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.change, h.operation, h.decided, h.stores = change, nil, map[string]wire.OperationStatus{}, map[string]*wire.Store{}
	h.add("S", 1)
}

// add installs a store with instances s-1, s-2, … that run.
func (h *honest) add(store string, instances int) {
	var nodes []wire.Node
	for i := range instances {
		nodes = append(nodes, wire.Node{
			Name: fmt.Sprintf("s-%d", i+1), Host: h.Host, ClustronPort: 7811 + i, ClientPort: 7861 + i,
			Role: wire.Data, Manager: h.String(),
		})
	}
	h.install(store, &wire.Configuration{Creation: firstOperation, LastOperation: firstOperation, Revision: 1, Epoch: 1,
		Coordinator: h.identity(), Managers: []wire.Manager{{Identity: h.identity(), URL: h.URL()}},
		Founders: wire.Founders(nodes), Nodes: nodes})
}

const firstOperation = "0198f0a0-0000-7000-8000-000000000001"

func (h *honest) identity() string { return "m-" + h.Host }

// install makes a configuration that of a store.
func (h *honest) install(name string, c *wire.Configuration) {
	s := &wire.Store{
		Name: name, Status: wire.StoreRunning, Engine: "etcd", Creation: c.Creation, LastOperation: c.LastOperation,
		Revision: c.Revision, Epoch: c.Epoch, Digest: wire.Digest(name, c.Nodes), Coordinator: c.Coordinator,
		Managers: c.Managers, Founders: c.Founders,
	}
	for _, n := range c.Nodes {
		s.Instances = append(s.Instances, wire.Instance{
			Node: n, Own: true, Status: wire.Running, Desired: wire.DesiredRunning, Ready: true, PID: 4711,
		})
	}
	h.stores[name] = s
}

// ServeHTTP implements http.Handler.
func (h *honest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a := h.changed(r, body)
	if a.manager != "" {
		wire.SetManager(w.Header(), a.manager)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// changed returns the answer to a request, as the test changes it.
func (h *honest) changed(r *http.Request, body []byte) answered {
	h.mu.Lock()
	defer h.mu.Unlock()
	kind, a := h.answer(r, body)
	a.manager = h.identity()
	if h.change != nil {
		a = h.change(kind, a)
	}
	return a
}

// answer returns the kind of a request and its answer.
func (h *honest) answer(r *http.Request, body []byte) (kind string, a answered) {
	words := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, wire.Prefix), "/"), "/")
	last := words[len(words)-1]
	reply := func(kind string, v any) (string, answered) {
		text, _ := json.Marshal(v)
		return kind, answered{status: http.StatusOK, body: string(text), operation: h.operation}
	}
	done := func(kind string, asked wire.ActionRequest) (string, answered) {
		action := asked.Action
		if asked.Instance != "" {
			action += ":" + asked.Instance
		}
		_, a := reply(kind, wire.Result{Action: action, Success: true, StatusCode: 200, Code: wire.CodeOK, Message: "Done",
			Store: asked.Store, Digest: asked.Digest()})
		a.action, a.asked = action, asked
		return kind, a
	}
	query := r.URL.Query()
	base, _ := strconv.ParseUint(query.Get("baseRevision"), 10, 64)
	switch {
	case last == "info":
		return reply("info", wire.Info{Identity: h.identity(), Host: h.Host, Version: wire.Version, Boot: "b", CatalogDigest: "d"})
	case last == "metrics":
		return reply("metrics", wire.Metrics{WindowSec: 5, Metrics: []wire.Metric{}})
	case last == "log":
		return "log", answered{status: http.StatusOK, body: "a line\n"}
	case last == "start", last == "stop":
		action := map[string]string{"start": "StartInstance", "stop": "StopInstance"}[last]
		return done(last, wire.ActionRequest{Action: action, Store: words[1], Instance: words[3]})
	case last == "state":
		return reply("state", h.state(words[1]))
	case last == "settle":
		return reply("settle", h.state(words[1]))
	case words[0] == "operations":
		kind, op := h.operate(last, words, body)
		return reply(kind, op)
	case len(words) == 1 && r.Method == http.MethodPost:
		create := &wire.CreateStore{}
		_ = json.Unmarshal(body, create)
		return done("create", wire.ActionRequest{Action: "CreateStore", Store: create.Name, Create: create})
	case len(words) == 1:
		list := []*wire.Store{}
		for _, s := range h.stores {
			list = append(list, s)
		}
		return reply("list", list)
	case len(words) == 2 && r.Method == http.MethodDelete:
		return done("delete", wire.ActionRequest{Action: "RemoveStore", Store: words[1]})
	case len(words) == 3 && r.Method == http.MethodPost:
		change := &wire.ChangeInstances{}
		_ = json.Unmarshal(body, change)
		c := h.stores[words[1]].Configuration()
		c.Revision, c.Nodes = c.Revision+1, change.Nodes
		h.install(words[1], c)
		return done("add", wire.ActionRequest{Action: "AddInstance", Store: words[1], Change: change})
	case len(words) == 4 && r.Method == http.MethodDelete:
		c := h.stores[words[1]].Configuration()
		c.Revision, c.Nodes = c.Revision+1, slices.DeleteFunc(c.Nodes, func(n wire.Node) bool { return n.Name == words[3] })
		h.install(words[1], c)
		return done("remove", wire.ActionRequest{Action: "RemoveInstance", Store: words[1], Instance: words[3],
			BaseRevision: base, LoseData: query.Get("loseData") == "true", Founding: query.Get("founding") == "true"})
	case len(words) == 2 && h.stores[words[1]] != nil:
		return reply("store", h.stores[words[1]])
	}
	refusal := wire.RefuseStoreNotFound.With(words[min(1, len(words)-1)])
	refusal.Action, refusal.Store = "GetStore", words[min(1, len(words)-1)]
	text, _ := json.Marshal(refusal)
	return "missing", answered{status: refusal.StatusCode, body: string(text)}
}

func (h *honest) state(store string) wire.StoreState {
	out := wire.StoreState{Manager: h.identity(), Store: store, Epoch: 1}
	if s := h.stores[store]; s != nil {
		out.Configuration = s.Configuration()
	}
	return out
}

// operate answers the requests about operations.
func (h *honest) operate(last string, words []string, body []byte) (kind string, op wire.OperationStatus) {
	if len(words) == 1 {
		var c wire.Operation
		_ = json.Unmarshal(body, &c)
		h.operation = &c
		op = h.status(wire.OperationPrepared)
		if !c.DryRun {
			return "prepare", op
		}
		op.State, op.Epoch = wire.OperationUnknown, 1
		for _, n := range c.Nodes {
			op.Claims = append(op.Claims, n.Name)
		}
		return "preflight", op
	}
	if known, decided := h.decided[words[1]]; decided {
		return last, known
	}
	if h.operation == nil { // a late message of an earlier run
		return "late", wire.OperationStatus{ID: words[1], State: wire.OperationUnknown, Manager: h.identity()}
	}
	switch last {
	case "commit":
		op = h.status(wire.OperationCommitted)
		h.decided[words[1]] = op
		if c := h.operation; c.Removes() {
			delete(h.stores, c.Store)
		} else {
			h.install(c.Store, &wire.Configuration{Creation: c.Creation, LastOperation: c.ID, Revision: c.BaseRevision + 1,
				Epoch: c.Epoch, Coordinator: c.Coordinator, Managers: c.Managers, Founders: c.Founders, Nodes: c.Nodes})
		}
		return "commit", op
	case "abort":
		op = h.status(wire.OperationAborted)
		h.decided[words[1]] = op
		return "abort", op
	}
	return "operation", h.status(wire.OperationPrepared)
}

func (h *honest) status(state wire.OperationState) wire.OperationStatus {
	c := h.operation
	return wire.OperationStatus{ID: c.ID, State: state, Manager: h.identity(), Action: c.Action, Store: c.Store,
		Epoch: c.Epoch, Digest: c.Digest()}
}

// kinds are the kinds of answers that a SUCCESS depends on, with a script that asks for it. A script prints SUCCESS for
// a query that says that all is well; HOST stands for the manager's host.
var kinds = []struct{ kind, script string }{
	{"info", `connect_managers()`},
	{"list", `if get_store().ok then print("SUCCESS") end`},
	{"store", `if get_store("S").ok then print("SUCCESS") end`},
	{"store", `if store_status("S").ready then print("SUCCESS") end`},
	{"store", `wait_ready{"S", timeout_sec = 0.2} print("SUCCESS")`},
	{"store", `start_store{"S", timeout_sec = 1}`},
	{"start", `start_store{"S", timeout_sec = 1}`},
	{"start", `start_instance{"S", "s-1", timeout_sec = 1}`},
	{"stop", `stop_store{"S", timeout_sec = 1}`},
	{"stop", `stop_instance{"S", "s-1", timeout_sec = 1}`},
	{"metrics", `if store_metrics{"S", timeout_sec = 1} then print("SUCCESS") end`},
	{"metrics", `watch_store_metrics{"S", count = 1} print("SUCCESS")`},
	{"start", `if restart_instance{"S", "s-1", timeout_sec = 1}.ok then print("SUCCESS") end`},
	{"settle", `repair_store{"S", timeout_sec = 0.3}`},
	{"create", `new_store{"N", "n", atomic = false, timeout_sec = 1, clustron_port = 7911, client_port = 7961}`},
	{"delete", `remove_store{"S", confirm = "S", atomic = false, timeout_sec = 1}`},
	{"add", `add_instance{"S", host = "HOST", atomic = false, timeout_sec = 0.3, clustron_port = 7921, client_port = 7971}`},
	{"remove", `remove_instance{"T", "s-2", atomic = false, lose_data = true, timeout_sec = 0.3}`},
	{"preflight", `new_store{"N", "n", timeout_sec = 0.3, clustron_port = 7911, client_port = 7961}`},
	{"prepare", `new_store{"N", "n", timeout_sec = 0.3, clustron_port = 7911, client_port = 7961}`},
	{"commit", `new_store{"N", "n", timeout_sec = 0.3, clustron_port = 7911, client_port = 7961}`},
	{"commit", `remove_store{"S", confirm = "S", timeout_sec = 0.3}`},
	{"commit", `add_instance{"S", host = "HOST", timeout_sec = 0.3, clustron_port = 7921, client_port = 7971}`},
}

// says is the judge: it reports whether an answer of a kind says success without contradiction. It shares no code with
// the builtins that decode answers.
func (h *honest) says(kind string, a answered) bool {
	v, ok := strictly(a.body)
	if !ok || a.status != http.StatusOK || a.manager == "" {
		return false
	}
	m, _ := v.(map[string]any)
	text := func(key string) string { s, _ := m[key].(string); return s }
	_, isResult := m["success"]
	if _, coded := m["statusCode"]; coded {
		isResult = true
	}
	switch kind {
	case "list", "store", "metrics": // any manager can be the one that answers first
	default:
		ok = a.manager == h.identity()
	}
	switch kind {
	case "start", "stop", "create", "delete", "add", "remove":
		return ok && text("store") == a.asked.Store && text("digest") == a.asked.Digest() &&
			m["success"] == true && m["statusCode"] == json.Number("200") && text("operation") == a.action &&
			codeSaysSuccess(text("code")) && isText(m, "message", "hint")
	case "list":
		list, is := v.([]any)
		for _, item := range list {
			m, _ := item.(map[string]any)
			is = is && saysStore(m)
		}
		return is
	case "store":
		return !isResult && saysStore(m) && text("name") == "S"
	case "info":
		return !isResult && text("identity") == a.manager
	case "metrics":
		n, _ := m["windowSec"].(json.Number)
		window, err := n.Float64()
		return !isResult && err == nil && window > 0
	case "settle":
		return ok && !isResult && text("manager") == h.identity() && text("store") == "S" &&
			empty(m["pending"]) && empty(m["repairing"])
	}
	c := a.operation
	same := ok && !isResult && text("id") == c.ID && text("manager") == h.identity()
	content := text("store") == c.Store && text("digest") == c.Digest()
	switch kind {
	case "preflight":
		return same && (content || text("digest") == "")
	case "prepare":
		return same && content && text("state") == "pending" && m["epoch"] == json.Number(encode(c.Epoch))
	}
	return same && content && text("state") == "committed"
}

func encode(v any) string { text, _ := json.Marshal(v); return string(text) }

func empty(v any) bool { return v == nil || v == "" }

// isText reports whether the values of keys, if present, are strings.
func isText(m map[string]any, keys ...string) bool {
	for _, key := range keys {
		if _, is := m[key].(string); m[key] != nil && !is {
			return false
		}
	}
	return true
}

// codeSaysSuccess reports whether a code is that of a success, or one that this version does not know.
func codeSaysSuccess(code string) bool {
	for i, c := range code {
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '_') {
			return false
		}
	}
	return code != "" && len(code) <= 40 && !slices.Contains(wire.RefusalCodes, code)
}

// saysStore reports whether a description is that of a store.
func saysStore(m map[string]any) bool {
	status, _ := m["status"].(string)
	name, _ := m["name"].(string)
	if name == "" || !slices.Contains([]string{"NoInstances", "Running", "Stopped", "Partial", "Unknown"}, status) {
		return false
	}
	list, is := m["instances"].([]any)
	for _, item := range list {
		in, _ := item.(map[string]any)
		status, _ := in["status"].(string)
		is = is && slices.Contains([]string{"Stopped", "Starting", "Running", "Stopping", "CrashLooping", "Joining", "Leaving", "Unknown"}, status)
	}
	return is
}
