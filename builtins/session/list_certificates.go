package session

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
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

var ListCertificates = runtime.Builtin{
	Name: "list_certificates", Group: "Queries",
	Doc: "Queries every manager about its certificate and those of its instances: which authority vouches for each, when it ends, and what it trusts. " +
		"A manager that is not secured has none, and its `tls` is `off`.",
	Params:     params.Query(),
	Returns:    "a list with one row for each manager and each of its instances, and the fields `ok` and `unreachable`",
	ReturnType: "rows of certificate",
	Example:    `for _, row in ipairs(list_certificates()) do print(row.who, row.tls, row.authority, row.not_after) end`,
	Impl:       listCertificates,
}

var CertificateType = &runtime.RecordType{
	Name: "certificate", Doc: "The certificate that a manager or an instance shows. Without TLS it has `who`, `manager`, `store`, `instance` and `tls` alone.",
	Fields: []runtime.Field{
		{Name: "who", Doc: "host:port of the manager, or `STORE/INSTANCE`"},
		{Name: "manager", Doc: "host:port of the manager, or of the manager of the instance"},
		{Name: "store", Doc: "the store of the instance; nil for a manager"},
		{Name: "instance", Doc: "the instance; nil for a manager"},
		{Name: "tls", Doc: "what its ports take: `off` (plain connections alone), `prefer` (TLS as well) or `require` (TLS alone)"},
		{Name: "identity", Doc: "the URI in the certificate"},
		{Name: "authority", Doc: "the first eight digits of the hash of the key of the authority that vouches for it, of two the newer one; nil if none does that is trusted"},
		{Name: "authorities", Type: "list of string", Doc: "the authorities that are trusted, the newest one last"},
		{Name: "peer_authorities", Type: "list of string", Doc: "those that a running data instance trusts where it connects to other instances, which it reads when it starts; else nil"},
		{Name: "old_clients", Type: "list of string", Doc: "the URIs of clients with an open connection and a certificate that only an older authority vouches for, 32 at most; nil if there are none"},
		{Name: "not_before", Doc: "the time from which it is valid, in UTC as RFC 3339"},
		{Name: "not_after", Doc: "the time at which it ends, in UTC as RFC 3339"},
		{Name: "serial", Doc: "its serial number, in hexadecimal digits"},
		{Name: "stale_since", Doc: "the time at which the access log was heard of last, in UTC as RFC 3339, if that is more than a minute ago; else nil"},
		{Name: "problem", Doc: "why the certificate is not known or not accepted, or nil"},
	},
}

func listCertificates(c *runtime.Call) (any, error) {
	r := run.Of(c)
	all, err := r.Query(c, wire.CertificatesPath(), cluster.CertificatesReader())
	if err != nil {
		return nil, err
	}
	var items []any
	var silent []report.Row
	for i := range all {
		certificates, read := all[i].Value.([]wire.Certificate)
		if !read {
			silent = append(silent, all[i].Row)
			continue
		}
		for _, certificate := range certificates {
			items = append(items, certificateRecord(all[i].Endpoint, certificate))
		}
	}
	list, err := r.Rows(c, items, silent, len(all))
	list.String = certificateTable
	return list, err
}

// shortHash returns the digits of the hash of a key by which people tell authorities apart.
func shortHash(hash string) string { return hash[:min(len(hash), 8)] }

func certificateRecord(at fanout.Endpoint, of wire.Certificate) runtime.Record {
	values := map[string]any{
		"who": at.String(), "manager": at.String(), "tls": string(of.TLS), "identity": text.OrNil(of.Identity),
		"serial": text.OrNil(of.Serial), "authority": text.OrNil(shortHash(of.Authority)), "problem": text.OrNil(of.Problem),
	}
	if of.Instance != "" {
		values["who"], values["store"], values["instance"] = of.Store+"/"+of.Instance, of.Store, of.Instance
	}
	for name, hashes := range map[string][]string{"authorities": of.Authorities, "peer_authorities": of.PeerAuthorities} {
		if hashes != nil {
			trusted := runtime.List{}
			for _, hash := range hashes {
				trusted.Items = append(trusted.Items, shortHash(hash))
			}
			values[name] = trusted
		}
	}
	if of.OldClients != nil {
		clients := runtime.List{}
		for _, uri := range of.OldClients {
			clients.Items = append(clients.Items, uri)
		}
		values["old_clients"] = clients
	}
	for name, at := range map[string]time.Time{"not_before": of.NotBefore, "not_after": of.NotAfter} {
		if !at.IsZero() {
			values[name] = at.UTC().Format(time.RFC3339)
		}
	}
	if of.StaleSince != nil {
		values["stale_since"] = of.StaleSince.UTC().Format(time.RFC3339)
	}
	return runtime.Record{Type: CertificateType, Values: values}
}

// maxWho is the width at which the table cuts names, so that its lines have at most 80 columns.
const maxWho = 30

// certificateTable returns the rows as a table of what people look for, with a line below for whatever is wrong.
func certificateTable(items []any) string {
	rows := [][]string{{"who", "tls", "authority", "trusts", "ends"}}
	notes := ""
	for _, item := range items {
		fields, _ := item.(map[string]any) // a script has changed it
		if record, is := item.(runtime.Record); is {
			fields = record.Fields()
		}
		get := func(name string) string {
			s, _ := fields[name].(string)
			return s
		}
		var trusts []string
		if list, is := fields["authorities"].(runtime.List); is {
			for _, hash := range list.Items {
				trusts = append(trusts, hash.(string))
			}
		}
		who, ends := get("who"), get("not_after")
		short := []rune(who)
		if len(short) > maxWho {
			short = append(short[:maxWho-1], '…')
		}
		rows = append(rows, []string{
			string(short), get("tls"), get("authority"), strings.Join(trusts, ","), ends[:min(len(ends), len(time.DateOnly))],
		})
		if at := get("stale_since"); at != "" {
			notes += "\n" + who + ": has heard of no access log since " + at
		}
		if list, is := fields["old_clients"].(runtime.List); is {
			notes += fmt.Sprintf("\n%s: clients with old certificates (old_clients): %d", who, len(list.Items))
		}
		if why := get("problem"); why != "" {
			notes += "\n" + who + ": " + why
		}
	}
	return text.Columns(rows) + notes
}
