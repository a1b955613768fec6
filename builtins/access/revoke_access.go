package access

import (
	"fmt"
	"math/big"
	"strings"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
)

var forceParam = runtime.Param{
	Name: "force", Type: runtime.Boolean, Default: false,
	Doc: "also end the certificate of the last admin, or the one that this run uses; without it such a change is refused with the code `last_admin`",
}

// changeParams returns the parameters of every change of access.
func changeParams() []runtime.Param {
	return []runtime.Param{forceParam, params.DryRun, params.Managers, params.Port, params.Timeout(30)}
}

var RevokeAccess = runtime.Builtin{
	Name: "revoke_access", Group: "Access", Positional: 1,
	Doc: "Ends what somebody was granted: a user's certificate and bearer tokens, an application, a manager's membership, one certificate, or one token. " +
		"It takes the certificate of an admin, whose key signs the change on this machine. One manager writes it to disk, and the others take it within seconds; " +
		"the rows say which have it. Each manager and instance that knows it refuses the next request, and ends open connections.",
	Params: params.Join([]runtime.Param{
		{Name: "name", Type: runtime.String, Required: true,
			Doc: "the name of a user; the URI of anybody, such as `dkv://app.prod/OrdersStore/web`; the serial number of a certificate, in hexadecimal; or the digits by which `list_access` shows a token"},
	}, changeParams()),
	Returns:    "results: one RevokeAccess row per manager",
	ReturnType: "results",
	Example: `local ok, err = pcall(revoke_access, "ci") -- it raises where the managers are not secured
print(ok, err)`,
	Impl: revokeAccess,
}

func revokeAccess(c *runtime.Call) (any, error) {
	if err := run.Of(c).MayAct(c); err != nil {
		return nil, err
	}
	h, err := begin(c)
	if err != nil {
		return nil, err
	}
	what := ""
	line := func(s *access.State) (*access.Entry, error) {
		e, described, err := h.revocation(s, c.String("name"))
		what = described
		return e, err
	}
	var e *access.Entry
	if h.r.Planning(c) {
		if _, err := line(h.log.State()); err != nil {
			return nil, err
		}
		return h.finish("RevokeAccess", "Would revoke "+what, nil)
	}
	if e, err = h.write(line); err != nil {
		return nil, err
	}
	if e == nil {
		return h.finish("RevokeAccess", what+" is revoked already", nil)
	}
	return h.finish("RevokeAccess", "Revoked "+what, e)
}

// revocation returns the line that revokes what a name means, nil if that is revoked already, and describes it.
func (h *change) revocation(s *access.State, name string) (*access.Entry, string, error) {
	id := identity.Identity{Kind: identity.User, Cluster: s.Cluster, Name: name}
	if strings.Contains(name, "://") {
		var err error
		if id, err = identity.Parse(name); err != nil {
			return nil, "", h.c.Misuse("name", "%v", err)
		}
	}
	switch {
	case id.Kind == identity.Manager && id.Cluster == s.Cluster && id.Name == s.Holder:
		err := h.c.Errorf(codeLastAdmin, "%s: %s can't be revoked: its server holds the authority's key", h.c.Name, id.Describe())
		err.Hint = "bring the key to another server first"
		return nil, "", err
	case s.HasAccess(id):
		ends := func(g access.GrantState) bool { return g.Identity == id }
		return &access.Entry{Kind: access.Revoke, Subject: id.String()}, id.Describe(), h.checkAdmins(s, ends)
	}
	if hash, what := tokenOf(s, name); what != "" {
		return &access.Entry{Kind: access.Revoke, Of: hash}, what, nil
	}
	if n, is := new(big.Int).SetString(name, 16); is && n.BitLen() >= 64 && n.Sign() > 0 {
		serial := access.Serial(n)
		what := "the certificate with the serial number " + serial
		if s.Revoked[serial] {
			return nil, what, nil
		}
		ends := func(g access.GrantState) bool { return g.Serial == serial }
		for _, m := range s.Members {
			if m.Issuer == serial {
				err := h.c.Errorf(codeUnknownName, "%s: %s is the serial number of a manager's issuer", h.c.Name, serial)
				err.Hint = "revoke the manager by its URI"
				return nil, "", err
			}
		}
		return &access.Entry{Kind: access.Revoke, Serial: serial}, what, h.checkAdmins(s, ends)
	}
	return nil, "", h.unknown(s, name)
}

// minDigits is the least number of digits of its hash that name a token.
const minDigits = 8

// tokenOf returns the token whose hash begins with some digits, and describes it; "" if there is none or more than one.
func tokenOf(s *access.State, digits string) (found access.Hash, what string) {
	if len(digits) < minDigits {
		return found, ""
	}
	n := 0
	for hash, b := range s.Bearers {
		if strings.HasPrefix(hash.String(), digits) {
			found, what, n = hash, fmt.Sprintf("the bearer token %s of %s", digits, b.Identity.Describe()), n+1
		}
	}
	for hash, t := range s.Tokens {
		if t.Count > 0 && strings.HasPrefix(hash.String(), digits) {
			found, what, n = hash, "the join token "+digits, n+1
		}
	}
	if n != 1 {
		return access.Hash{}, ""
	}
	return found, what
}
