package data

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/cluster/clustertest"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// The engine's refusals, as its HTTP API words them.
func TestExplain_EngineRefusals(t *testing.T) {
	for words, want := range map[string]string{
		"etcdserver: mvcc: database space exceeded":                         codeFull,
		"etcdserver: user name is empty":                                    codeDenied,
		"etcdserver: permission denied":                                     codeDenied,
		"etcdserver: invalid auth token":                                    codeDenied,
		"etcdserver: corrupt cluster":                                       codeCorrupt,
		"etcdserver: request is too large":                                  codeTooLarge,
		"grpc: received message larger than max (2097163 vs. 2097152)":      codeTooLarge,
		"etcdserver: mvcc: required revision has been compacted":            codeCompacted,
		"etcdserver: too many requests":                                     codeBusy,
		"etcdserver: request timed out":                                     "",
		"etcdserver: no leader":                                             "",
		"connection error: desc = \"transport: Error while dialing: dial\"": "",
	} {
		r, known := engineRefusal("OrdersStore", words)
		if known != (want != "") || r.code != want {
			t.Errorf("%s: %+v, want %s", words, r, want)
		}
		if known && (!strings.Contains(r.message, "OrdersStore") || strings.Contains(r.message, "%!")) {
			t.Errorf("%s: %s", words, r.message)
		}
	}
}

func TestExplain_ByStatus(t *testing.T) {
	s := &store{name: clustertest.Store, endpoints: []fanout.Endpoint{{Scheme: "http", Host: "b", Port: 7861}}}
	set := func(status wire.Status, at ...int) *cluster.View {
		return clustertest.View(func(i int, in *wire.Instance) {
			for _, changed := range at {
				if i == changed {
					in.Status, in.Ready = status, false
				}
			}
		})
	}
	silent := func(at ...int) *cluster.View {
		all := clustertest.Responses(nil)
		for _, i := range at {
			all[i].Answer = fanout.Answer{Err: &fanout.Error{Class: fanout.Refused}}
			all[i].Row.Success = false
		}
		return cluster.NewView(clustertest.Store, all)
	}
	timeout, refused := outcome{fanout.Timeout, "b:7861 waited", true}, outcome{fanout.Refused, "b:7861 refused", false}
	for _, c := range []struct {
		name    string
		view    *cluster.View
		outcome outcome
		code    string
		message string
	}{
		{"nobody to ask", nil, timeout, fanout.Timeout, "b:7861 waited"},
		{"no manager answers", silent(0, 1, 2), refused, fanout.Refused,
			"b:7861 refused; no manager answers that knows the status of OrdersStore"},
		{"stopped", set(wire.Stopped, 0, 1, 2), refused, codeStopped, "OrdersStore is stopped"},
		{"one of three", set(wire.Stopped, 0, 1), timeout, codeNoMajority, "OrdersStore has no majority: 1 of 3 are there, 2 are needed"},
		{"two servers are gone", silent(0, 1), timeout, codeNoMajority, "OrdersStore has no majority: 1 of 3 are there, 2 are needed"},
		{"two managers are gone, their instances may run", silent(0, 2), refused, fanout.Refused, "OrdersStore is Partial: b:7861 refused"},
		{"only its instance is stopped", set(wire.Stopped, 1), refused, codeStopped, "orders-b of OrdersStore is Stopped: b:7861 refused"},
		{"only its instance dies", set(wire.CrashLooping, 1), refused, fanout.Refused, "orders-b of OrdersStore is CrashLooping: b:7861 refused"},
		{"all run", set(wire.Running), timeout, fanout.Timeout, "OrdersStore is Running: b:7861 waited"},
	} {
		if r := s.explain(c.view, c.outcome); r.code != c.code || r.message != c.message {
			t.Errorf("%s: %s: %s, want %s: %s", c.name, r.code, r.message, c.code, c.message)
		}
	}
}

// A request is not given up while enough instances may answer: those that start, and those whose state is not known.
func TestExplain_HasNoMajority(t *testing.T) {
	for _, c := range []struct {
		first, second wire.Status
		want          bool
	}{
		{wire.Running, wire.Running, false}, {wire.Stopped, wire.Running, false}, {wire.Stopped, wire.CrashLooping, true},
		{wire.Stopped, wire.Stopping, true}, {wire.Stopped, wire.Starting, false}, {wire.Stopped, wire.Unknown, false},
		{wire.Joining, wire.Stopped, true}, {wire.Joining, wire.Running, false},
	} {
		v := clustertest.View(func(i int, in *wire.Instance) {
			if i < 2 {
				in.Status = []wire.Status{c.first, c.second}[i]
			}
		})
		if got := hasNoMajority(v); got != c.want {
			t.Errorf("%s, %s, Running: %v", c.first, c.second, got)
		}
	}
	if hasNoMajority(&cluster.View{Name: clustertest.Store}) {
		t.Error("no manager knows the store")
	}
}

// Without managers a failure is explained by the engine's message alone.
func TestExplain_WithoutManagers(t *testing.T) {
	s := &store{name: "OrdersStore"}
	at := fanout.Endpoint{Scheme: "http", Host: "a", Port: 7861}
	answer := func(code int, words string) fanout.Answer {
		body, err := json.Marshal(map[string]any{"code": code, "message": words})
		if err != nil {
			t.Fatal(err)
		}
		return fanout.Answer{Status: http.StatusServiceUnavailable, Body: body}
	}
	for _, c := range []struct {
		answer        fanout.Answer
		write         bool
		code, message string
	}{
		{answer(grpcUnavailable, "etcdserver: request timed out"), true, fanout.Timeout,
			"put: a:7861 waited for the other data instances in vain; the write may have been made"},
		{answer(grpcUnavailable, "etcdserver: request timed out"), false, fanout.Timeout,
			"put: a:7861 waited for the other data instances in vain"},
		{answer(grpcUnavailable, wire.NotServing+"the instance is \x1b[31mstarting"), true, fanout.Timeout,
			`put: a:7861 does not serve yet: the instance is \x1b[31mstarting`},
		{answer(9, "etcdserver: \x1b[31munheard of"), true, codeRefused, `put: a:7861 refused the request: \x1b[31munheard of`},
		{answer(9, "etcdserver: mvcc: database space exceeded"), true, codeFull,
			"put: OrdersStore is full: its data has reached the quota of 2 GiB, and it takes reads only"},
		{fanout.Answer{Status: http.StatusBadGateway, Body: []byte("<html>")}, false, fanout.Protocol,
			"put: a:7861 answered 502 without a reason: is it a client port?"},
		{fanout.Answer{Err: &fanout.Error{Class: fanout.Timeout, Message: "a:7861: no answer", Sent: true}}, true, fanout.Timeout,
			"put: a:7861: no answer; the write may have been made"},
		{fanout.Answer{Err: &fanout.Error{Class: fanout.Refused, Message: "a:7861: connection refused"}}, true, fanout.Refused,
			"put: a:7861: connection refused"},
	} {
		err := s.failure(&runtime.Call{Name: "put"}, at, c.answer, c.write, nil)
		if err.Code != c.code || err.Message != c.message || err.InDoubt != strings.Contains(c.message, "may have been made") {
			t.Errorf("%s: %s, want %s: %s", err.Code, err.Message, c.code, c.message)
		}
	}
}
