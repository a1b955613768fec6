package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// held is the state of two managers at which a runner has prepared an operation that is still in flight.
type held struct {
	t       *testing.T
	hosts   []string
	clients []wire.Info
	change  wire.Operation
}

// hold starts two managers and prepares the creation of OrdersStore on them.
func hold(t *testing.T, block int) *held {
	t.Helper()
	f := &fleet{dir: t.TempDir()}
	t.Cleanup(f.close)
	h := &held{t: t, hosts: []string{fmt.Sprintf("127.28.%d.11", block), fmt.Sprintf("127.28.%d.12", block)}}
	for _, host := range h.hosts { // the first one is the coordinator, so it is prepared first
		if err := f.start([]string{host}); err != nil {
			t.Fatal(err)
		}
	}
	id := "0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a11"
	h.change = wire.Operation{
		ID: id, Action: wire.CreateAction, Store: "OrdersStore", Owner: "alice@ops-1, process 4711", Creation: id, Epoch: 1,
		Nodes: []wire.Node{{Name: "other-1", Host: h.hosts[0], ClustronPort: 7811, ClientPort: 7861, Role: wire.Data}},
	}
	h.change.Founders = wire.Founders(h.change.Nodes)
	for i, host := range h.hosts {
		var info wire.Info
		h.call("GET", i, wire.InfoPath(), nil, &info)
		h.clients = append(h.clients, info)
		h.change.Managers = append(h.change.Managers, wire.Manager{Identity: info.Identity, URL: "http://" + host + ":7801"})
	}
	h.change.Coordinator = h.clients[0].Identity
	for i := range h.hosts {
		var op wire.OperationStatus
		h.call("POST", i, wire.OperationsPath(), h.change, &op)
		if op.State != wire.OperationPrepared {
			t.Fatalf("%s: %+v", h.hosts[i], op)
		}
	}
	return h
}

func (h *held) call(method string, i int, path string, body, into any) {
	h.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	if body == nil {
		text = nil
	}
	to := ""
	if method == "POST" {
		to = "?to=" + url.QueryEscape(h.clients[i].Identity)
	}
	req, err := http.NewRequest(method, "http://"+h.hosts[i]+":7801"+path+to, bytes.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode != http.StatusOK {
		h.t.Fatalf("%s %s: %s, %v", method, path, answer.Status, err)
	}
}

// drop aborts the operation, the coordinator first.
func (h *held) drop() {
	h.t.Helper()
	for i := range h.hosts {
		var op wire.OperationStatus
		h.call("POST", i, wire.OperationPath(h.change.ID)+"/abort", wire.AbortRequest{Store: h.change.Store, Epoch: 1}, &op)
	}
}

func (h *held) dkvrun(expression string) *exec.Cmd {
	return exec.Command(program("dkvrun"), "-m", strings.Join(h.hosts, ","), "-e", expression)
}

func TestStoreBusy_NamesHolder(t *testing.T) {
	t.Parallel()
	h := hold(t, 1)
	out, err := h.dkvrun(`new_store{"OrdersStore", "orders", timeout_sec = 1}`).CombinedOutput()
	if err == nil {
		t.Errorf("it took the store:\n%s", out)
	}
	for _, part := range []string{"alice@ops-1, process 4711", "since 20", h.change.ID, "nothing was changed on any of 2 managers"} {
		if !strings.Contains(string(out), part) {
			t.Errorf("it does not say %q:\n%s", part, out)
		}
	}
}

func TestStoreBusy_WaitsForHolder(t *testing.T) {
	t.Parallel()
	h := hold(t, 2)
	second := h.dkvrun(`new_store{"OrdersStore", "orders"}:check()[1].message`)
	var out bytes.Buffer
	second.Stdout, second.Stderr = &out, &out
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- second.Wait() }()
	select { // the prepare was refused by now, and the runner waits
	case err := <-ended:
		t.Fatalf("it did not wait: %v\n%s", err, out.String())
	case <-time.After(time.Second):
	}
	h.drop()
	if err := <-ended; err != nil || !strings.Contains(out.String(), "Created") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
