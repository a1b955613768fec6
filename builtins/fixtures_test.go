package builtins

import (
	"encoding/json"
	"fmt"
	"testing"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// Of a large store the messages are compressed: what is asked before a change is no vote there either.
func TestMoments(t *testing.T) {
	for nodes, compressed := range map[int]bool{1: false, wire.MaxInstances: true} {
		for dry, want := range map[bool]string{true: "", false: "prepare"} {
			change := wire.Operation{DryRun: dry, Nodes: make([]wire.Node, nodes)}
			for i := range change.Nodes {
				change.Nodes[i] = wire.Node{Name: fmt.Sprintf("orders-%d", i+1), Host: "127.43.0.11", ClustronPort: 7811, ClientPort: 7861}
			}
			text, err := json.Marshal(change)
			if err != nil {
				t.Fatal(err)
			}
			r := fanout.Request{Method: "POST", Path: wire.OperationsPath()}
			if r.Body, r.Compressed = fanout.Compress(text); r.Compressed != compressed {
				t.Fatalf("%d bytes, compressed: %v", len(text), r.Compressed)
			}
			if got := moment(r); got != want {
				t.Errorf("%d nodes, dry run %v: got %q, want %q", nodes, dry, got, want)
			}
		}
	}
	for path, want := range map[string]string{
		wire.OperationPath("op") + "/commit":      "commit",
		wire.OperationPath("op") + "/abort":       "abort",
		wire.InstancePath("S", "s-1") + "/start":  "start",
		wire.InstancePath("S", "start") + "/stop": "stop",
	} {
		if got := moment(fanout.Request{Method: "POST", Path: path}); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := moment(fanout.Request{Method: "GET", Path: wire.InstancePath("S", "start")}); got != "" {
		t.Errorf("a question is %q", got)
	}
}
