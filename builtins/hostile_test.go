package builtins

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// hostile is a server that gives the answers that a test sets, by the end of the path. All other paths it answers like
// a manager of one store with one instance.
type hostile struct {
	fanout.Endpoint
	mu      sync.Mutex
	answers map[string]string
}

// setAnswers sets the answer for a path.
func (h *hostile) setAnswers(answers map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers = answers
}

func newHostile(t *testing.T, address string, answers map[string]string) *hostile {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "7801"))
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{Endpoint: fanout.Endpoint{Scheme: "http", Host: address, Port: 7801}, answers: answers}
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return h
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wire.SetManager(w.Header(), "m-"+h.Host)
	path := strings.TrimPrefix(r.URL.Path, wire.Prefix)
	h.mu.Lock()
	answers := h.answers
	h.mu.Unlock()
	for end, answer := range answers {
		if strings.HasSuffix(path, end) {
			_, _ = w.Write([]byte(answer))
			return
		}
	}
	switch {
	case path == "/info":
		_ = json.NewEncoder(w).Encode(wire.Info{Identity: "m-" + h.Host, Host: h.Host, Version: wire.Version})
	case path == "/stores":
		_, _ = fmt.Fprintf(w, "[%s]", h.store())
	default:
		_, _ = fmt.Fprint(w, h.store())
	}
}

// store is a valid description of a store.
func (h *hostile) store() string { return storeOf(h.Host) }

func storeOf(host string) string {
	return `{"name":"S","status":"Running","revision":1,"digest":"d","instances":[` +
		`{"name":"s-1","host":"` + host + `","clustronPort":7811,"clientPort":7861,"role":"data","own":true,"status":"Running","ready":true}]}`
}

// silent is a Reporter that shows nothing.
type silent struct{}

func (silent) Begin(*report.Action)           {}
func (silent) Row(*report.Action, report.Row) {}
func (silent) End(*report.Action)             {}
func (silent) Step(report.Step)               {}
func (silent) Notice(string)                  {}
func (silent) Progress(string)                {}
func (silent) Width() int                     { return 0 }
func (silent) Redraw(string)                  {}

// recorder is a Reporter that records all that a run shows.
type recorder struct {
	silent
	mu   sync.Mutex
	text strings.Builder
}

func (o *recorder) write(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(&o.text, format+"\n", args...)
}

func (o *recorder) Row(_ *report.Action, r report.Row) {
	o.write("%s|%s|%s|%s|%s|%s", r.Manager, r.Operation(), r.Result, r.Code, r.Message, r.Hint)
}
func (o *recorder) Notice(text string)   { o.write("%s", text) }
func (o *recorder) Progress(text string) { o.write("%s", text) }
func (o *recorder) Redraw(frame string)  { o.write("%s", frame) }

// runAgainst runs a script and returns its whole output: actions, printed text and its error.
func runAgainst(t *testing.T, script string, managers ...*hostile) string {
	t.Helper()
	var out bytes.Buffer
	shown := &recorder{}
	c := fanout.New(fanout.Config{})
	defer c.Close()
	config := run.Config{Reporter: shown, Stdout: &out, Client: c, Owner: func() string { return "tester" },
		ManagerPort: wire.DefaultManagerPort}
	for _, m := range managers {
		config.Preset = append(config.Preset, m.Endpoint)
	}
	r := run.New(config)
	h := runtime.New(runtime.Options{Builtins: All(), Stdout: &out, App: r, Grace: time.Second})
	defer h.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := h.RunSource(ctx, "test.lua", []byte(script))
	if err == nil {
		err = r.UncheckedFailure()
	}
	shown.mu.Lock()
	defer shown.mu.Unlock()
	text := shown.text.String() + out.String()
	if err != nil {
		text += "error: " + err.Error() + "\n"
	}
	return text
}

// everything is a script that calls every builtin that reads, shows or changes something, even if others fail.
const everything = `
local function try(f, ...) local ok, v = pcall(f, ...) if not ok then print(v, type(v) == "table" and v.hint) end return ok and v or nil end
local function all(v, depth)
  if type(v) == "table" and depth < 6 then for k, x in pairs(v) do print(k) all(x, depth + 1) end else print(tostring(v)) end
end
try(connect_managers)
local rows = try(get_store)
for _, r in ipairs(rows or {}) do print(r.manager, r.store, r.status, r.revision) for _, i in ipairs(r.instances) do all(i, 0) end end
for _, u in ipairs(rows and rows.unreachable or {}) do print(u.manager, u.code, u.message) end
all(try(store_status, "S"), 0)
all(try(store_metrics, "S"), 0)
try(watch_store_metrics, {"S", count = 1})
print(try(instance_log, "S", "s-1"))
try(wait_ready, {"S", timeout_sec = 0.2})
for _, f in ipairs{start_store, stop_store, remove_store} do local r = try(f, "S") if r then print(r.ok) for _, row in ipairs(r) do print(row) end end end
try(start_instance, "S", "no-such")
local r = try(add_instance, {"S", host = "127.48.3.1", timeout_sec = 1}) if r then print(r.ok) end
local r = try(remove_instance, {"S", "s-1", timeout_sec = 1}) if r then print(r.ok) end
local r = try(new_store, {"S", "s", timeout_sec = 1}) if r then print(r.ok) end
local r = try(repair_store, {"S", timeout_sec = 1}) if r then print(r.ok) end
local r = try(repair_store, {"S", lost = "x", timeout_sec = 1}) if r then print(r.ok) end
`
