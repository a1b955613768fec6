package cluster

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// Caller holds what queries need of a builtin's call: its limits, and how to show notices and progress.
type Caller struct {
	// Builtin is the builtin's name, with which errors and progress begin.
	Builtin string
	Client  *fanout.Client
	// Timeout limits each response, ConnectTimeout the part of that time until the connection is made.
	Timeout, ConnectTimeout time.Duration
	// Notice prints a notice, and Progress shows the progress of a query.
	Notice, Progress func(text string)
	// NoteProbes notes which managers answered; ShowProbes also shows a table of them, if some did not. The connection
	// ended with the error, or with nil.
	NoteProbes func([]Probe)
	ShowProbes func([]Probe, error)
	// TopologyChange is the builtin whose change of a topology the queries are for, or "". It needs every
	// manager, so that the error of a connection does not suggest to go on without those that do not answer.
	TopologyChange string
}

// Response is the answer of one manager to a query.
type Response struct {
	Member
	Answer fanout.Answer
	// Row describes a failure. Row.Success reports whether the answer can be used.
	Row report.Row
	// Value is the answer as the query's Reader has decoded it; nil if no Reader has decoded it, or it can't be used.
	Value any
}

// Reader reads the body of an answer. It returns an error for a body that is no answer to its query.
type Reader func(body []byte) (any, error)

// Read sets Value from the answer. An answer that can't be read makes the response a failure.
func (r *Response) Read(read Reader) {
	r.Value = nil
	if read == nil {
		return
	}
	if !r.Row.Success {
		if r.Answer.Err == nil && r.Answer.Status == http.StatusOK && r.Answer.Manager == "" {
			if _, err := read(r.Answer.Body); err == nil {
				r.Row.Message = withoutIdentity
			}
		}
		return
	}
	value, err := read(r.Answer.Body)
	if err != nil {
		r.Row = r.Unreadable()
		return
	}
	r.Value = value
}

// Answered reports whether the manager answered the query, if only that it does not have the store.
func (r *Response) Answered() bool {
	return r.Row.Success || r.Answer.Err == nil && r.Row.Code == wire.CodeStoreNotFound
}

// readOnly reports whether the manager refused the query because it can't read its catalog, and does not know whether
// it has the store.
func (r *Response) readOnly() bool { return r.Answer.Err == nil && r.Row.Code == wire.CodeReadOnly }

// StoreReader returns the Reader of the description of a store.
func StoreReader(name string) Reader {
	return func(body []byte) (any, error) {
		store := &wire.Store{}
		if err := decode(body, store); err != nil {
			return nil, err
		}
		if store.Name != name {
			return nil, fmt.Errorf("it is about another store")
		}
		return store, nil
	}
}

// MetricsReader returns the Reader of the metrics of a store, with rates over a window of whole seconds.
func MetricsReader(store string, window int) Reader {
	return func(body []byte) (any, error) {
		m := &wire.Metrics{}
		if err := decode(body, m); err != nil {
			return nil, err
		}
		if m.WindowSec != float64(window) {
			return nil, fmt.Errorf("their window is another one")
		}
		for i := range m.Metrics {
			if m.Metrics[i].Store != store {
				return nil, fmt.Errorf("they are of another store")
			}
		}
		return m, nil
	}
}

// CertificatesReader returns the Reader of the certificates of a manager and its instances.
func CertificatesReader() Reader {
	return func(body []byte) (any, error) {
		all := &wire.Certificates{}
		if err := decode(body, all); err != nil {
			return nil, err
		}
		if len(all.Certificates) == 0 || all.Certificates[0].Instance != "" {
			return nil, fmt.Errorf("the manager itself is missing")
		}
		return all.Certificates, nil
	}
}

// AccessStateReader returns the Reader of what the access log of a manager says.
func AccessStateReader() Reader {
	return func(body []byte) (any, error) {
		state := &wire.AccessState{}
		if err := decode(body, state); err != nil {
			return nil, err
		}
		if state.Head.Number < 1 {
			return nil, fmt.Errorf("the last line of the access log is missing")
		}
		return state, nil
	}
}

// EndpointsReader returns the Reader of the client ports of a store.
func EndpointsReader(store string) Reader {
	return func(body []byte) (any, error) {
		ports := &wire.StoreEndpoints{}
		if err := decode(body, ports); err != nil {
			return nil, err
		}
		if ports.Name != store {
			return nil, fmt.Errorf("they are of another store")
		}
		return ports, nil
	}
}

// QueryMembers reads a path from some managers, whether or not they belong to a session.
func (call Caller) QueryMembers(ctx context.Context, managers []Member, path string) ([]Response, error) {
	requests := make([]fanout.Request, len(managers))
	for i, m := range managers {
		requests[i] = fanout.Request{
			Endpoint: m.Endpoint, Method: http.MethodGet, Path: path, Manager: m.Identity(), Idempotent: true,
		}
	}
	return call.request(ctx, managers, requests, queryOf(path))
}

// Post sends a request with a body to one manager, and returns its answer. The operation is the one that a result of
// the manager names.
func (call Caller) Post(ctx context.Context, to Member, path string, body []byte, operation string) (Response, error) {
	all, err := call.request(ctx, []Member{to}, []fanout.Request{{
		Endpoint: to.Endpoint, Method: http.MethodPost, Path: path, Body: body, Manager: to.Identity(),
	}}, Asked{Operation: operation})
	if err != nil {
		return Response{}, err
	}
	return all[0], nil
}

// request sends one request to each manager.
func (call Caller) request(
	ctx context.Context, managers []Member, requests []fanout.Request, asked Asked,
) ([]Response, error) {
	answers := call.Client.Do(ctx, requests, fanout.Options{
		Timeout: call.Timeout, ConnectTimeout: call.ConnectTimeout, OnAnswer: call.counting(len(requests)),
	})
	call.Progress("")
	if ctx.Err() != nil {
		var waiting []fanout.Endpoint
		for i, answer := range answers {
			if answer.Err != nil && (answer.Err.Class == fanout.Cancelled || answer.Err.Class == fanout.Skipped) {
				waiting = append(waiting, managers[i].Endpoint)
			}
		}
		return nil, noResponse(ctx, call.Builtin, waiting)
	}
	out := make([]Response, len(answers))
	for i, answer := range answers {
		r := &out[i]
		*r = Response{Member: managers[i], Answer: answer}
		r.Endpoint = call.Client.Resolve(r.Endpoint)
		if answer.Err == nil && answer.Status == http.StatusOK && r.Disowned(answer) == "" {
			r.Row.Success = true
			r.stated = answer.Manager
			continue
		}
		if answer.Err == nil && answer.Status == http.StatusOK && answer.Manager == "" {
			r.Row = r.Unreadable()
			continue
		}
		r.Row = ReadResult(report.Row{Manager: r.Endpoint.String()}, r.Member, asked, answer)
		r.Row.Success = false
		if r.Answered() {
			r.stated = answer.Manager
		}
	}
	return out, nil
}

// queryOf returns what the answer to a query names. The names of stores and instances have nothing to escape.
func queryOf(path string) Asked {
	path, query, _ := strings.Cut(strings.TrimPrefix(path, wire.Prefix), "?")
	parts := strings.Split(path, "/")
	switch {
	case len(parts) == 2:
		asked := Asked{Operation: map[string]string{"stores": "GetStores", "metrics": "GetMetrics", "info": "GetInfo", "certificates": "GetCertificates",
			"access": "GetAccess"}[parts[1]]}
		if values, err := url.ParseQuery(query); err == nil {
			asked.Store = values.Get("store")
		}
		return asked
	case wire.Prefix+path == wire.AccessStatePath():
		return Asked{Operation: "GetAccessState"}
	case len(parts) == 3:
		return Asked{Operation: "GetStore", Store: parts[2]}
	case len(parts) == 4 && parts[3] == "endpoints":
		return Asked{Operation: "GetEndpoints", Store: parts[2]}
	case len(parts) == 4:
		return Asked{Operation: "GetState", Store: parts[2]}
	}
	return Asked{Operation: report.Operation("GetLog", parts[4]), Store: parts[2]}
}

// noResponse returns the error of a query that was cancelled.
func noResponse(ctx context.Context, builtin string, waiting []fanout.Endpoint) error {
	return CutOff(ctx, builtin, "no answer yet from "+Listed(waiting))
}

// CutOff returns the error of a call that was cancelled because ctx ended. waiting says what the call was waiting for.
func CutOff(ctx context.Context, builtin, waiting string) error {
	return &runtime.Error{
		Code: runtime.CodeCancelled, Message: builtin + ": cut off", Hint: waiting, Cause: ctx.Err(),
	}
}

const (
	// manyManagers is the number of managers from which on a query shows its progress.
	manyManagers  = 20
	countingEvery = 100 * time.Millisecond
)

// counting returns a function that shows how many managers have answered, or nil for a small number of managers.
func (call Caller) counting(all int) func(fanout.Answer) {
	if all <= manyManagers {
		return nil
	}
	answered, failed, shown := 0, 0, time.Now()
	return func(answer fanout.Answer) {
		answered++
		if answer.Err != nil {
			failed++
		}
		if now := time.Now(); now.Sub(shown) >= countingEvery {
			shown = now
			call.Progress(fmt.Sprintf("%s: %d of %d managers answered, %d failed", call.Builtin, answered-failed, all, failed))
		}
	}
}

// Decode reads the body of a response. A body that can't be read makes the response a failure.
func (r *Response) Decode(to any) bool {
	if !r.Row.Success {
		return false
	}
	if store, read := r.Value.(*wire.Store); read {
		if to, ok := to.(*wire.Store); ok {
			*to = *store
			return true
		}
	}
	if err := decode(r.Answer.Body, to); err != nil {
		r.Row = r.Unreadable()
		return false
	}
	return true
}

// Unreadable returns the row of a response that can't be read.
func (r *Response) Unreadable() report.Row { return Unreadable(r.Endpoint) }

// Unreadable returns the row of a manager whose answer can't be read.
func Unreadable(at fanout.Endpoint) report.Row {
	return report.Row{
		Manager: at.String(), Result: report.Failed, Code: fanout.Protocol,
		Message: notOfAPI,
	}
}
