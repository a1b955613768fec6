package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

// FuzzAdmin_Decode compares decode with encoding/json: a body that decode accepts has the same value for both. The scan
// that comes before decode accepts it, too.
func FuzzAdmin_Decode(f *testing.F) {
	for _, seed := range []string{
		`{"baseRevision":3,"nodes":[{"name":"a","host":"h","clustronPort":1,"clientPort":2,"role":"data"}],"founding":true,"founders":[]}`,
		`{"baseRevision":18446744073709551615}`, `{"baseRevision":1e0}`, `{"nodes":[{"clientPort":-9223372036854775808}]}`,
		`{"home":"\ud800\u0000"}`, `{"nodes":[],"nodes":[]}`, ` {} `, `{}{}`, `[`, `{"nodes":null}`, "{\"home\":\"\xff\"}",
		`{"home":"` + strings.Repeat(`\u0061`, 64) + `"}`, `{"home":"\\\""}`, `{"founding" : true , "epoch":12345678901234567890}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want wire.ChangeInstances
		if decode(body, &got) != nil {
			return
		}
		read, err := io.ReadAll(&scan{from: bytes.NewReader(body)})
		if len(body) < maxWhite && (err != nil || !bytes.Equal(read, body)) {
			t.Fatalf("accepted, and the scan says %v: %q", err, body)
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&want); err != nil {
			t.Fatalf("accepted, and encoding/json says %v: %q", err, body)
		}
		// An empty list may be nil in one result and not in the other.
		a, errA := json.Marshal(got)
		b, errB := json.Marshal(want)
		if errA != nil || errB != nil ||
			!bytes.Equal(bytes.ReplaceAll(a, []byte(":null"), []byte(":[]")), bytes.ReplaceAll(b, []byte(":null"), []byte(":[]"))) {
			t.Fatalf("%q: got %s, want %s", body, a, b)
		}
	})
}

func TestDecode_EveryFieldOfTheProtocol(t *testing.T) {
	want := wire.ChangeInstances{
		BaseRevision: 3, Nodes: []wire.Node{{Name: "a", Host: "h", ClustronPort: 1, ClientPort: 2, Role: wire.Data, Manager: "h:1"}},
		Founding: true, Desired: wire.DesiredRunning, Operation: "o", Epoch: 4,
		Managers: []wire.Manager{{Identity: "i", URL: "u"}}, Coordinator: "i",
		Founders: []wire.Founder{{Name: "a", Host: "h", ClustronPort: 1}}, ClusterTLS: true,
	}
	for i := range reflect.TypeOf(want).NumField() {
		if reflect.ValueOf(want).Field(i).IsZero() {
			t.Fatalf("the test lacks %s", reflect.TypeOf(want).Field(i).Name)
		}
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got wire.ChangeInstances
	if err := decode(body, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
