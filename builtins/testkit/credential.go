package testkit

import (
	"dkvrun/builtins/internal/params"
	"dkvrun/runtime"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/local"
	"dkvrun/runtime/wire"
)

// clusterCredential is the method of clusters that makes credentials.
var clusterCredential = runtime.Builtin{
	Name: "credential", Positional: 1,
	Doc: "Makes a credential for a secured cluster, and returns its file, which ends with the cluster: of a user with a role, or of an application of a store. " +
		"When it returns, the managers and instances know it, except those of servers that are killed, paused or cut off. " +
		"`run_script{…, flags = {\"--credential\", FILE}}` runs a runbook with it.",
	Params: []runtime.Param{
		{Name: "role", Type: runtime.String, Doc: "of a user",
			Enum: []string{string(identity.Viewer), string(identity.Operator), string(identity.Admin)}},
		{Name: "app", Type: runtime.String, Check: params.Check(wire.CheckName), Doc: "the name of an application"},
		{Name: "store", Type: runtime.String, Check: params.Check(wire.CheckName), Doc: "with `app`: the store that it uses, which need not exist yet"},
		{Name: "read_only", Type: runtime.Boolean, Default: false, Doc: "with `app`: it may only read"},
		{Name: "name", Type: runtime.String, Check: params.Check(wire.CheckName), Doc: "with `role`: the user's name, by default a new one; a new credential ends the earlier one of the same name"},
		{Name: "token", Type: runtime.Boolean, Default: false, Doc: "with `role`: a bearer token, for `--token-file`"},
	},
	Returns: "the path of the file",
	Example: `it("lets nobody but admins change stores", function()
  local cluster = local_cluster{servers = 1, secured = true, instances = 1}
  local file = cluster:credential("viewer")
  assert.is_true(file:find("credentials", 1, true) ~= nil)
end)`,
	Impl: issueCredential,
}

func issueCredential(c *runtime.Call) (any, error) {
	k := c.Self.(*localServers)
	g := local.Grant{Name: c.String("name"), Role: c.String("role"), Token: c.Bool("token")}
	switch {
	case k.Credential() == nil:
		return nil, c.Errorf("not_secured", "credential: the cluster is not secured: local_cluster{secured = true} makes one that is")
	case c.Given("role") == c.Given("app"):
		return nil, c.Misuse("role", "want the role of a user, or app and store of an application")
	case c.Given("app") && !c.Given("store"):
		return nil, c.Misuse("store", "name the store that the application uses")
	case c.Given("app") && (c.Given("name") || g.Token):
		return nil, c.Misuse("app", "an application has neither name nor token")
	case c.Given("role") && (c.Given("store") || c.Bool("read_only")):
		return nil, c.Misuse("role", "a user has neither store nor read_only")
	}
	if c.Given("app") {
		g.Name, g.Store, g.ReadOnly = c.String("app"), c.String("store"), c.Bool("read_only")
	}
	return k.Issue(c.Context(), g)
}
