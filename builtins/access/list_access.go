// Package access declares the builtins that show and change who may do what in a secured cluster.
package access

import (
	"fmt"
	"strings"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

var ListAccess = runtime.Builtin{
	Name: "list_access", Group: "Access",
	Doc: "Lists who may do what in the cluster of the session's managers, as the access log says: managers, users and applications with their roles, " +
		"bearer tokens and open join tokens without their secrets, revoked certificates, and branches of the log that differ. It takes the longest log " +
		"of those that the managers have; a notice names managers with another one. Managers that are not secured have none.",
	Params:     params.Query(),
	Returns:    "a list with one row for each of them, and the fields `ok` and `unreachable`",
	ReturnType: "rows of access row",
	Example: `local ok, rows = pcall(list_access) -- it raises where the managers are not secured
if ok then
  for _, row in ipairs(rows) do print(row.kind, row.name, row.role, row.ends) end
end`,
	Impl: listAccess,
}

// Kinds of rows.
const (
	kindToken     = "bearer token"
	kindJoinToken = "join token"
	kindRevoked   = "revoked"
	kindFork      = "fork"
)

var RowType = &runtime.RecordType{
	Name: "access row", Doc: "One entry of what the access log of a cluster says.",
	Fields: []runtime.Field{
		{Name: "kind", Doc: "`manager`, `user`, `app`, `bearer token`, `join token`, `revoked` or `fork`"},
		{Name: "name", Doc: "the name of a user, an application or a token's user; of a manager its identity; the first digits of a join token's hash; the serial number of a revoked certificate; `line N` of a fork"},
		{Name: "uri", Doc: "the URI of the identity, which `revoke_access` takes; nil for join tokens, revoked certificates and forks"},
		{Name: "store", Doc: "the store of an application, else nil"},
		{Name: "role", Doc: "`viewer`, `operator`, `admin`, `app`, `app-readonly` or `manager`; nil where there is none"},
		{Name: "ends", Doc: "the time at which it ends or ended, in UTC as RFC 3339; nil if it doesn't"},
		{Name: "expired", Doc: "true if that time is over by the clock of this machine"},
		{Name: "since", Doc: "of a manager, the time at which it became a member, in UTC as RFC 3339; else nil"},
		{Name: "serial", Doc: "the serial number of the certificate that has the role, in hexadecimal; of a manager that of its server's issuer; else nil"},
		{Name: "token", Doc: "the first digits of a token's hash, which `revoke_access` takes; nil for other rows"},
		{Name: "url", Doc: "where a manager was reached last; nil if that is not known"},
		{Name: "authority", Doc: "true for the manager whose server holds the authority's key, which makes the certificates of users"},
		{Name: "left", Doc: "how many more servers may use a join token, or how many lines a fork has; else nil"},
	},
}

func listAccess(c *runtime.Call) (any, error) {
	r := run.Of(c)
	all, err := r.Query(c, wire.AccessStatePath(), cluster.AccessStateReader())
	if err != nil {
		return nil, err
	}
	var newest *wire.AccessState
	var silent []report.Row
	for i := range all {
		state, read := all[i].Value.(*wire.AccessState)
		switch {
		case !read:
			silent = append(silent, all[i].Row)
		case newest == nil || state.Head.Number > newest.Head.Number:
			newest = state
		}
	}
	var items []any
	if newest != nil {
		items = rowsOf(newest, time.Now())
		noteOthers(r, c, all, newest)
	}
	list, err := r.Rows(c, items, silent, len(all))
	list.String = table
	return list, err
}

// noteOthers gives a notice of managers whose access log is another one.
func noteOthers(r *run.Run, c *runtime.Call, all []cluster.Response, newest *wire.AccessState) {
	var behind []string
	for i := range all {
		if state, read := all[i].Value.(*wire.AccessState); read && state.Head != newest.Head {
			behind = append(behind, fmt.Sprintf("%s (line %d of cluster %s)", all[i].Endpoint, state.Head.Number, state.Cluster))
		}
	}
	if len(behind) > 0 {
		r.Reporter.Notice(fmt.Sprintf("%s: this is the access log up to line %d, and some managers have another one: %s; they take new lines within seconds of reaching others",
			c.Name, newest.Head.Number, text.Few(behind)))
	}
}

// rowsOf returns the rows of a state of the access log.
func rowsOf(s *wire.AccessState, now time.Time) []any {
	items := []any{}
	add := func(values map[string]any) { items = append(items, runtime.Record{Type: RowType, Values: values}) }
	for _, m := range s.Members {
		values := identified(m.URI)
		values["role"], values["serial"], values["url"] = string(identity.ManagerRole), text.OrNil(m.Issuer), text.OrNil(m.URL)
		values["since"], values["authority"] = stamp(m.Since), m.Authority
		add(values)
	}
	granted := func(list []wire.AccessGrant, kind string) {
		for _, g := range list {
			values := identified(g.URI)
			if kind != "" {
				values["kind"] = kind
			}
			values["role"], values["serial"], values["token"] = g.Role, text.OrNil(g.Serial), text.OrNil(g.Token)
			if g.Expires != nil {
				values["ends"], values["expired"] = stamp(*g.Expires), !now.Before(*g.Expires)
			}
			add(values)
		}
	}
	granted(s.Grants, "")
	granted(s.Bearers, kindToken)
	for _, t := range s.Tokens {
		add(map[string]any{"kind": kindJoinToken, "name": t.Token, "token": t.Token, "left": t.Left, "ends": stamp(t.Expires), "expired": false, "authority": false})
	}
	for _, serial := range s.Revoked {
		add(map[string]any{"kind": kindRevoked, "name": serial, "serial": serial, "expired": false, "authority": false})
	}
	for _, f := range s.Forks {
		add(map[string]any{"kind": kindFork, "name": fmt.Sprintf("line %d", f.Number), "left": f.Lines, "expired": false, "authority": false})
	}
	return items
}

// identified returns the fields of a row that a URI has.
func identified(uri string) map[string]any {
	values := map[string]any{"uri": uri, "name": uri, "kind": "", "expired": false, "authority": false}
	if id, err := identity.Parse(uri); err == nil {
		values["kind"], values["name"], values["store"] = string(id.Kind), id.Name, text.OrNil(id.Store)
	}
	return values
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// maxShown is the width at which the table cuts names, so that its lines have at most 80 columns: a name, a kind of at
// most 12, a role of at most 12, a time of 20 and the spaces between them.
const maxShown = 30

// table returns the rows for people, the revoked certificates as a number.
func table(items []any) string {
	rows := [][]string{{"kind", "name", "role", "ends"}}
	revoked, notes := 0, ""
	for _, item := range items {
		fields, _ := item.(map[string]any) // a script has changed it
		if record, is := item.(runtime.Record); is {
			fields = record.Fields()
		}
		get := func(name string) string {
			s, _ := fields[name].(string)
			return s
		}
		name, ends := get("name"), get("ends")
		switch get("kind") {
		case kindRevoked:
			revoked++
			continue
		case kindFork:
			notes += fmt.Sprintf("\na branch of the access log differs from %s on: only what both allow is allowed", name)
			continue
		case kindToken:
			name += " (" + get("token") + ")"
		case kindJoinToken:
			name = fmt.Sprintf("%s, for %v more", name, fields["left"])
		}
		if store := get("store"); store != "" {
			name = store + "/" + name
		}
		short := []rune(name)
		if len(short) > maxShown {
			short = append(short[:maxShown-1], '…')
		}
		if expired, _ := fields["expired"].(bool); expired {
			ends = "expired"
		}
		role := get("role")
		if holds, _ := fields["authority"].(bool); holds {
			role = "authority"
		}
		rows = append(rows, []string{get("kind"), string(short), role, ends})
	}
	if revoked > 0 {
		notes += fmt.Sprintf("\n%d certificates are revoked", revoked)
	}
	return strings.TrimRight(text.Columns(rows)+notes, "\n")
}
