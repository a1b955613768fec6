package identity

import (
	"strings"
	"testing"
)

var samples = map[string]Identity{
	"dkv://manager.prod/2b1e6f1c-7d0a-4a55-9f6e-0d3b7c1f4a10": {Manager, "prod", "", "2b1e6f1c-7d0a-4a55-9f6e-0d3b7c1f4a10"},
	"dkv://instance.prod/OrdersStore/orders-1":                {Instance, "prod", "OrdersStore", "orders-1"},
	"dkv://user.prod-2/ci_read":                               {User, "prod-2", "", "ci_read"},
	"dkv://app.p/Orders/web":                                  {App, "p", "Orders", "web"},
}

func TestIdentity_ParseAndString(t *testing.T) {
	for text, want := range samples {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
		if want.String() != text || want.URI().String() != text {
			t.Errorf("got %s and %s, want %s", want, want.URI(), text)
		}
	}
}

func TestIdentity_Invalid(t *testing.T) {
	for _, text := range []string{
		"", "dkv://", "dkv:///", "dkv://user.prod", "dkv://user.prod/", "dkv://user.prod//a", "dkv://user.prod/a/", "dkv://user.prod/a/b",
		"DKV://user.prod/a", "http://user.prod/a", "//user.prod/a", " dkv://user.prod/a", "dkv://user.prod/a ", "dkv://user.prod/a\n",
		"dkv://User.prod/a", "dkv://root.prod/a", "dkv://user/a", "dkv://user./a", "dkv://.prod/a", "dkv://user.prod./a", "dkv://user.a.b/c",
		"dkv://user.Prod/a", "dkv://user.pr_od/a", "dkv://user.prod-/a", "dkv://user.1prod/a", "dkv://user.prod:80/a", "dkv://x@user.prod/a",
		"dkv://user.prod/a?b", "dkv://user.prod/a#b", "dkv://user.prod/a?", "dkv://user.prod/a#", "dkv://user.prod/%61", "dkv://user.pr%6fd/a",
		"dkv://user.prod/1a", "dkv://user.prod/a.b", "dkv://user.prod/..", "dkv://user.prod/ä", "dkv://user.prod/a\x00",
		"dkv://app.prod/a", "dkv://app.prod//a", "dkv://app.prod/a/", "dkv://app.prod/a/b/c", "dkv://instance.prod/S/1",
		"dkv://manager.prod/a/b", "dkv://manager.prod/.", "dkv://manager.prod/" + strings.Repeat("a", 65),
		"dkv://user.prod/" + strings.Repeat("a", 64), "dkv://user." + strings.Repeat("a", 64) + "/a", "dkv://user.prod/" + strings.Repeat("a", 300),
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q is taken as %+v", text, got)
		}
	}
	for _, i := range []Identity{{}, {User, "prod", "Store", "a"}, {App, "prod", "", "a"}, {Kind("user.x"), "prod", "", "a"}} {
		if i.Check() == nil {
			t.Errorf("%+v is taken as valid", i)
		}
	}
}

// Printing what was parsed gives the same text, so no two texts give one identity.
func FuzzIdentity_Parse(f *testing.F) {
	for text := range samples {
		f.Add(text)
	}
	f.Add("dkv://user.prod/%61")
	f.Fuzz(func(t *testing.T, text string) {
		i, err := Parse(text)
		if err != nil {
			return
		}
		if i.String() != text || i.URI().String() != text {
			t.Errorf("%q gives %+v, which prints as %q and %q", text, i, i, i.URI())
		}
		if err := i.Check(); err != nil {
			t.Errorf("%q gives the invalid identity %+v: %v", text, i, err)
		}
	})
}

func TestRole_Includes(t *testing.T) {
	all := []Role{NoRole, Viewer, Operator, Admin, ManagerRole, InstanceRole, AppRole, ReadOnlyApp}
	included := map[Role][]Role{
		NoRole: {},
		Viewer: {Viewer}, Operator: {Viewer, Operator}, Admin: {Viewer, Operator, Admin},
		ManagerRole: {ManagerRole}, InstanceRole: {InstanceRole}, AppRole: {AppRole, ReadOnlyApp},
		ReadOnlyApp: {ReadOnlyApp},
	}
	for _, have := range all {
		for _, need := range all {
			want := false
			for _, r := range included[have] {
				want = want || r == need
			}
			if have.Includes(need) != want {
				t.Errorf("%q includes %q: want %v", have, need, want)
			}
			lesser := Lesser(have, need)
			if lesser != Lesser(need, have) {
				t.Errorf("the lesser of %q and %q depends on their order", have, need)
			}
			if lesser != NoRole && (!have.Includes(lesser) || !need.Includes(lesser)) {
				t.Errorf("the lesser of %q and %q is %q", have, need, lesser)
			}
		}
	}
	if Lesser(Admin, Viewer) != Viewer || Lesser(Admin, ManagerRole) != NoRole ||
		Lesser(ReadOnlyApp, AppRole) != ReadOnlyApp {
		t.Error("the lesser role is wrong")
	}
}

func TestRole_Allow(t *testing.T) {
	user := func(role Role) Caller { return Caller{Identity{User, "prod", "", "ci-read"}, role} }
	for _, c := range []struct {
		caller Caller
		need   []Role
		want   string
	}{
		{user(Admin), []Role{Viewer}, ""},
		{user(Viewer), []Role{ManagerRole, Viewer}, ""},
		{user(Viewer), []Role{Admin}, "viewer ci-read may not remove a store: that takes admin"},
		{user(Admin), []Role{ManagerRole, InstanceRole}, "admin ci-read may not remove a store: that takes manager or instance"},
		{user(NoRole), []Role{Admin}, "user ci-read may not remove a store: it has no role, and that takes admin"},
		{user(Admin), nil, "admin ci-read may not remove a store: that is allowed to nobody"},
	} {
		got := ""
		if err := c.caller.Allow("remove a store", c.need...); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestRole_CheckRole(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		role Role
		ok   bool
	}{
		{User, Viewer, true}, {User, Admin, true}, {App, AppRole, true}, {App, ReadOnlyApp, true},
		{User, AppRole, false}, {App, Admin, false}, {User, NoRole, false},
		{Manager, ManagerRole, false}, {User, ManagerRole, false}, {Instance, InstanceRole, false},
	} {
		if err := CheckRole(c.kind, c.role); (err == nil) != c.ok {
			t.Errorf("%s as %s: %v", c.kind, c.role, err)
		}
	}
}
