package wire

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHealth_ConditionIsBounded(t *testing.T) {
	long := strings.Repeat("ü", maxConditionText)
	c := NewCondition(HealthDegraded, long, long)
	if err := c.check(); err != nil || !utf8.ValidString(c.Why) || !strings.HasSuffix(c.Why, "ü…") {
		t.Errorf("cut to %d bytes: %v", len(c.Why), err)
	}
	for _, text := range []string{
		`{"health":"well"}`, `{"health":""}`, `{"health":"degraded"}`, `{"health":"read-only","next":"x"}`,
		`{"health":"degraded","why":"` + strings.Repeat("x", maxConditionText+1) + `"}`,
		`{"health":"degraded","why":"x","next":"` + strings.Repeat("x", maxConditionText+1) + `"}`,
	} {
		if err := DecodeAnswer([]byte(`{"identity":"m","condition":`+text+`}`), &Info{}); err == nil {
			t.Errorf("the description of a manager is read with the condition %.60s", text)
		}
		store := described()
		body, err := json.Marshal(store)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseStoreSummary([]byte(`{"condition":` + text + `,` + string(body[1:]))); err == nil {
			t.Errorf("a store is read with the condition %.60s", text)
		}
	}
}

func TestHealth_StoreKeepsConditionAndStrays(t *testing.T) {
	store := described()
	store.Name = "OrdersStore"
	store.Instances[0].Build, store.Instances[0].OtherBuild = Build(), true
	for i := range store.Instances {
		store.Instances[i].Role = Data
	}
	store.Condition = NewCondition(HealthDegraded, "why", "next")
	store.Strays = []Stray{{Instance: "a-9", Folder: "/dkv/instances/OrdersStore/a-9", PID: 7, Next: "dkvmanager strays"}}
	body, err := json.Marshal(store)
	if err != nil {
		t.Fatal(err)
	}
	var got Store
	if err := DecodeAnswer(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Condition == nil || *got.Condition != *store.Condition || !slices.Equal(got.Strays, store.Strays) ||
		got.Instances[0].Build != Build() || !got.Instances[0].OtherBuild {
		t.Errorf("got %+v", got)
	}
	g, err := ParseStoreSummary(body)
	if err != nil || g.Condition == nil || *g.Condition != *store.Condition {
		t.Errorf("the summary has %+v, error %v", g.Condition, err)
	}
	for _, bad := range []Stray{
		{Instance: "a/9", Folder: "x", Next: "x"}, {Instance: "a-9", Folder: strings.Repeat("x", maxFolder+1), Next: "x"},
		{Instance: "a-9", Folder: "x", Next: strings.Repeat("x", maxCommand+1)}, {Instance: "a-9", Folder: "x", Next: "x", PID: -1},
	} {
		store.Strays = []Stray{bad}
		if store.Check() == nil {
			t.Errorf("a store is accepted with the stray %.60q", bad.Instance)
		}
	}
	store.Strays = make([]Stray, MaxStrays+1)
	if store.Check() == nil {
		t.Error("a store is accepted with too many strays")
	}
}

func TestHealth_HeaderOfAnyVersion(t *testing.T) {
	for header, want := range map[string]Health{"read-only": HealthReadOnly, "degraded": HealthDegraded, "draining": HealthDegraded} {
		if got := ReadHealth(header); got != want {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
}
