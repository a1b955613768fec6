package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func described() Store {
	return Store{
		Name: `Orders"é\Store`, Status: StorePartial, Engine: "etcd", Revision: 7, Digest: "d",
		Instances: []Instance{
			{Node: Node{Name: "a-1", Host: "h1", ClustronPort: 7811, ClientPort: 7861}, Own: true,
				Status: Running, Desired: DesiredRunning, PID: 12},
			{Node: Node{Name: "a-2", Host: "h1", ClustronPort: 7812, ClientPort: 7862}, Own: true, Status: Stopped, LastError: "status: Running"},
			{Node: Node{Name: "a-3", Host: "h2", ClustronPort: 7811, ClientPort: 7861}, Status: Running},
		},
	}
}

func TestWire_Summary(t *testing.T) {
	store := described()
	for _, indent := range []string{"", "  "} {
		list, err := json.MarshalIndent([]Store{store, {
			Name: "Empty", Status: StoreNoInstances, Revision: 1, Digest: "d", Instances: []Instance{},
		}}, "", indent)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseStoreSummaries(list)
		if err != nil || len(got) != 2 {
			t.Fatalf("%d stores, error %v", len(got), err)
		}
		g := got[0]
		if !reflect.DeepEqual(g.Store(), store) {
			t.Errorf("the whole description: %+v, want %+v", g.Store(), store)
		}
		g.description = nil
		if want := (StoreSummary{Name: store.Name, Status: StorePartial, Revision: 7, Instances: 3, Own: 2,
			Running: 1}); !reflect.DeepEqual(g, want) {
			t.Errorf("got %+v, want %+v", g, want)
		}
		if got[1].Name != "Empty" || got[1].Instances != 0 {
			t.Errorf("got %+v", got[1])
		}
	}
}

func TestWire_SummariesListAStoreOnce(t *testing.T) {
	store, err := json.Marshal(described())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseStoreSummaries([]byte("[" + string(store) + "," + string(store) + "]")); !errors.Is(err, errJSON) {
		t.Errorf("a store that is listed twice: %d stores, error %v", len(got), err)
	}
}

func TestWire_SummaryOfOneStore(t *testing.T) {
	b, err := json.Marshal(described())
	if err != nil {
		t.Fatal(err)
	}
	if g, err := ParseStoreSummary(b); err != nil || g.Own != 2 {
		t.Errorf("%+v, error %v", g, err)
	}
	if _, err := ParseStoreSummary(append(b, '1')); !errors.Is(err, errJSON) {
		t.Errorf("something after the end: %v", err)
	}
}

func TestWire_SummaryRefuses(t *testing.T) {
	for _, text := range []string{
		"", "null", "{}", `"a"`, "[1]", "[", "[{]", "[{}", "[{}]", "[" + strings.Repeat(`{"name":"a"},`, maxStores) + `{"name":"a"}]`, "[{},]", "[{}]x", `[{"name":1}]`, `[{"status":null}]`, `[{"revision":1.5}]`,
		`[{"revision":-1}]`, `[{"a":01}]`, `[{"a":1.}]`, `[{"a":1e}]`, `[{"a":-}]`, `[{"a":+1}]`, `[{"a":.1}]`, `[{"a":tru}]`, `[{"a"}]`,
		`[{"a":}]`, `[{a:1}]`, `[{"a":"` + "\n" + `"}]`, `[{"a":"\x"}]`, `[{"a":"\u12g4"}]`, `[{"a":"\u12"}]`, `[{"a":"`, `[{"a":"\`,
		`[{"instances":{}}]`, `[{"instances":[1]}]`, `[{"a":` + strings.Repeat("[", 1<<20), "SSH-2.0-OpenSSH_9.9\r\n",
	} {
		if got, err := ParseStoreSummaries([]byte(text)); !errors.Is(err, errJSON) && !strings.Contains(text, "revision") ||
			err == nil {
			t.Errorf("%.40q: got %+v, error %v", text, got, err)
		}
	}
}

// A description without a field that tells how the store is, or with a value that it can't have, is none.
func TestWire_DescriptionsThatAreNone(t *testing.T) {
	nodes := []Node{{Name: "s-1", Host: "h1", ClustronPort: 7811, ClientPort: 7861, Role: Data}}
	text, err := json.Marshal(Store{Name: "S", Status: StoreRunning, Revision: 3, Digest: Digest("S", nodes),
		Instances: []Instance{{Node: nodes[0], Own: true, Status: Running, Desired: DesiredRunning, Ready: true}}})
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	read := func(text string) [3]error {
		_, one := ParseStoreSummary([]byte(text))
		_, list := ParseStoreSummaries([]byte("[" + text + "]"))
		return [3]error{one, list, DecodeAnswer([]byte(text), &Store{})}
	}
	lost := strings.Replace(good, `"revision":3`, `"revision":0`, 1) // of a manager that can't read its catalog
	for _, text := range []string{good, lost} {
		if got := read(text); got != [3]error{} {
			t.Fatal(got)
		}
	}
	for _, change := range [][2]string{
		{`"own":true,`, ``}, {`"own":true`, `"own":null`}, {`"own":true`, `"own":1`},
		{`"ready":true,`, ``}, {`"ready":true`, `"ready":null`}, {`"ready":true`, `"ready":"true"`},
		{`"revision":3,`, ``}, {`"revision":3`, `"revision":null`}, {`"revision":3`, `"revision":"3"`},
		{`"digest":"` + Digest("S", nodes) + `",`, ``}, {Digest("S", nodes), ``},
		{`"desired":"Running"`, `"desired":"Maybe"`}, {`"role":"data"`, `"role":"king"`},
		{`"clientPort":7861`, `"clientPort":0`}, {`"clientPort":7861`, `"clientPort":65536`}, {`"clientPort":7861,`, ``},
		{`"clustronPort":7811`, `"clustronPort":0`}, {`"clustronPort":7811`, `"clustronPort":"7811"`},
		{`"status":"Running","engine"`, `"status":"Stopped","engine"`}, {`"status":"Running","desired"`, `"status":"Stopped","desired"`},
	} {
		changed := strings.Replace(good, change[0], change[1], 1)
		for i, err := range read(changed) {
			if changed == good || err == nil {
				t.Errorf("reader %d takes %s", i, changed)
			}
		}
	}
}

// A field that another version writes differently does not affect the other fields.
func TestWire_SummaryOfAnotherType(t *testing.T) {
	g, err := ParseStoreSummary([]byte(`{"name":"A","status":"Stopped","revision":1,"digest":"d","managers":7,` +
		`"instances":[{"name":"a-1","clustronPort":1,"clientPort":2,"pid":"none","own":true,"ready":false,"status":"Stopped","more":[]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := g.Store(); s.Name != "A" || len(s.Instances) != 1 || s.Instances[0].Name != "a-1" || !s.Instances[0].Own ||
		s.Instances[0].PID != 0 {
		t.Errorf("%+v", s)
	}
}

// FuzzWire_Summary compares the scanner with encoding/json: it accepts nothing that is not JSON, and finds the same
// values in a description.
func FuzzWire_Summary(f *testing.F) {
	whole, err := json.Marshal([]Store{described()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	for _, seed := range []string{`[{"a":[1,-0.5e+3,true,null,{"b":"\u00e9\n"}]}]`, `[{"name":"A","status":"Running","revision":1,"digest":"d","instances":[{"own":true,"ready":true,"clustronPort":1,"clientPort":2,"status":"Running"}]}]`, "[]", "[ { } ]", `[ { "name" : "A", "status" : "NoInstances", "revision" : 1, "digest" : "d", "instances" : [ ] } ]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := ParseStoreSummaries(text)
		if err == nil && !json.Valid(text) {
			t.Errorf("%q was taken", text)
		}
		var stores []Store
		bad := func(in Instance) bool {
			return !slices.Contains(statuses, in.Status) || in.Role != Data && in.Role != Gateway ||
				in.Desired != DesiredRunning && in.Desired != DesiredStopped || in.ClientPort < 1 || in.ClientPort > maxPort ||
				in.ClustronPort < 1 || in.ClustronPort > maxPort || !bytes.Contains(text, []byte(`"ready"`)) ||
				!bytes.Contains(text, []byte(`"own"`))
		}
		refused := func(s Store) bool {
			return s.Name == "" || s.Instances == nil || !slices.Contains(StoreStatuses, s.Status) || s.Revision == 0 ||
				s.Digest == "" || slices.ContainsFunc(s.Instances, bad) || !s.statusOfOwn()
		}
		if json.Unmarshal(text, &stores) != nil || slices.ContainsFunc(stores, refused) || bytes.Contains(text, []byte(`\`)) ||
			!utf8.Valid(text) || odd(text) {
			return
		}
		if err != nil || len(all) != len(stores) {
			t.Fatalf("%q: %d stores, decoded %d, error %v", text, len(all), len(stores), err)
		}
		for i, g := range all {
			if g.Name != stores[i].Name || g.Status != stores[i].Status || g.Revision != stores[i].Revision ||
				g.Instances != len(stores[i].Instances) {
				t.Errorf("%q: got %+v, decoded %+v", text, g, stores[i])
			}
		}
	})
}

// odd matches JSON that encoding/json accepts and that is not part of the protocol: names in another case or repeated,
// and null for a value that is no list.
func odd(text []byte) bool {
	if bytes.Contains(text, []byte("null")) {
		return true
	}
	lower := bytes.ToLower(text)
	for _, name := range []string{"name", "status", "revision", "instances"} {
		if n := bytes.Count(lower, []byte(name)); n > 1 || n != bytes.Count(text, []byte(name)) {
			return true
		}
	}
	return false
}
