package instancekeys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
)

// What the file says is what the access log said.
func TestPortAccess_State(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	log, err := access.Start("prod", key, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []access.Entry{
		{Kind: access.Member, Subject: "dkv://manager.prod/m-1", Serial: "a1"},
		{Kind: access.Grant, Subject: "dkv://user.prod/ann", Role: identity.Admin, Serial: "b1", Expires: now.Add(time.Hour)},
		{Kind: access.Grant, Subject: "dkv://app.prod/Orders/web", Role: identity.AppRole},
		{Kind: access.Grant, Subject: "dkv://app.prod/Other/web", Role: identity.AppRole},
		{Kind: access.Revoke, Serial: "c1"},
	} {
		e, err := log.Prepare(e, key, now)
		if err == nil {
			err = log.Append(e, now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	topology := Topology{Creation: "op", Managers: []string{"m-1"}, Instances: map[string]Place{"orders-1": {Manager: "m-1"}}}
	text, err := json.Marshal(portAccessOf(log.State(), nil, nil, "Orders", topology))
	if err != nil {
		t.Fatal(err)
	}
	var a portAccess
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	state, err := a.state()
	if err != nil || !reflect.DeepEqual(a.Topology, topology) || state.Members["m-1"].Issuer != "a1" || !state.Revoked["c1"] ||
		len(state.Grants) != 2 || state.Grants["dkv://user.prod/ann"].Serial != "b1" || !state.Grants["dkv://user.prod/ann"].Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("got %+v, %+v, %v", a, state, err)
	}
}

func FuzzPortAccess_Decode(f *testing.F) {
	f.Add([]byte(`{"cluster":"prod","managers":{"m-1":"a1"},"grants":[{"uri":"dkv://user.prod/ann","role":"admin"}],"revoked":["c1"],` +
		`"topology":{"creation":"op","epoch":1,"instances":{"x":{"manager":"m-1","gateway":true}}}}`))
	f.Add([]byte(`{"managers":["m-1"]}`))
	f.Add([]byte(`{"grants":[{"key":"00"}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var a portAccess
		if json.Unmarshal(text, &a) != nil {
			return
		}
		state, err := a.state()
		if err != nil {
			return
		}
		for uri, g := range state.Grants {
			if g.Identity.String() != uri {
				t.Errorf("the grant of %q is one of %s", uri, g.Identity)
			}
		}
		if got := a.Topology.replacedBy(nil); !reflect.DeepEqual(got, a.Topology) {
			t.Errorf("nothing replaces %+v by %+v", a.Topology, got)
		}
	})
}
