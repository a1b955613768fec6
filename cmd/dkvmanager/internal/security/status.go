package security

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// Warnings returns a sentence for each thing that people should know about the keys of this manager: a certificate that
// ends soon, and a key of the authority that is missing or counts no longer.
func (m *Member) Warnings() []string {
	var out []string
	now := m.now()
	leaf := m.bundle.Load().Chain[0]
	if pki.Warn(leaf, now) {
		out = append(out, fmt.Sprintf("this manager's certificate ends at %s and was not renewed: see its log for the reason", stamp(leaf.NotAfter)))
	}
	for _, c := range m.ring().roots {
		if pki.Warn(c, now) {
			out = append(out, fmt.Sprintf("the cluster's authority ends at %s", stamp(c.NotAfter)))
		}
	}
	if c := m.ring().issuer.Chain[0]; pki.Warn(c, now) {
		out = append(out, fmt.Sprintf("this server's issuer ends at %s: dkvmanager join --again gets another one", stamp(c.NotAfter)))
	}
	if m.external != nil {
		out = append(out, m.external.Warnings()...)
	}
	if _, err := m.holding(); err != nil && (m.ring().authority != nil || m.State().Holder == m.self.Name) {
		out = append(out, err.Error())
	}
	return out
}

// Info describes the manager for the admin API.
func (m *Member) Info() *wire.Security {
	out := &wire.Security{
		Cluster: m.self.Cluster, TLS: m.TLS(),
		CertificateEnds: m.bundle.Load().Chain[0].NotAfter, IssuerEnds: m.ring().issuer.Chain[0].NotAfter,
		AuthorityEnds: m.ring().roots[0].NotAfter, Warnings: m.Warnings(),
	}
	for _, c := range m.ring().roots {
		if c.NotAfter.After(out.AuthorityEnds) { // the newer of two during a rotation
			out.AuthorityEnds = c.NotAfter
		}
	}
	if why := cmp.Or(m.Excluded(), m.Refusals()); why != "" {
		out.Warnings = append(out.Warnings, why)
	}
	if since := m.StaleSince(); !since.IsZero() {
		out.AccessStaleSince = &since
	}
	return out
}

// Describe describes the manager's certificate for the admin API.
func (m *Member) Describe() wire.Certificate {
	out := m.DescribeBundle(m.Bundle())
	if since := m.StaleSince(); !since.IsZero() {
		out.StaleSince = &since
	}
	return out
}

// DescribeBundle describes the certificate of a manager or an instance that trusts what this manager trusts.
func (m *Member) DescribeBundle(b *identity.Bundle) wire.Certificate {
	leaf, policy := b.Chain[0], m.Policy()
	out := wire.Certificate{
		TLS: m.TLS(), Serial: access.Serial(leaf.SerialNumber), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
	}
	if id, err := b.Identity(); err == nil {
		out.Identity = id.String()
	}
	for _, h := range keyHashes(policy.Roots) {
		out.Authorities = append(out.Authorities, h.String())
	}
	root, err := policy.Authority(b.Chain)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Authority = access.Hash(identity.HashKey(root)).String()
	return out
}

// refusals has why other managers refuse this one's certificate. A manager that is revoked learns it from them alone:
// they don't let it read the line of the access log.
type refusals struct {
	mu sync.Mutex
	by map[string]string // the reason, by the identity of the manager that gives it
}

// Refused notes that another manager refuses this one's certificate, and why, or that it accepts it, with an empty
// reason. It reports whether it is the first that refuses it.
func (m *Member) Refused(by, why string) (first bool) {
	r := &m.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	if why == "" {
		delete(r.by, by)
		return false
	}
	if r.by == nil {
		r.by = map[string]string{}
	}
	first = len(r.by) == 0
	r.by[by] = why
	return first
}

// Refusals says that other managers refuse this one, why, and what to do, or returns "".
func (m *Member) Refusals() string {
	r := &m.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.by) == 0 {
		return ""
	}
	who := "one other manager refuses"
	if n := len(r.by); n > 1 {
		who = fmt.Sprintf("%d other managers refuse", n)
	}
	first := slices.Min(slices.Collect(maps.Keys(r.by)))
	return fmt.Sprintf("%s this one: %s: if it was revoked, stop it, and let its server join again: dkvmanager token "+
		"on the server with the authority's key, then dkvmanager join ADDRESS TOKEN --again here", who, r.by[first])
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Status describes the manager's certificates and the cluster's members, roles and tokens, for people.
func (m *Member) Status() string {
	state, now := m.State(), m.now()
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	leaf := m.bundle.Load().Chain[0]
	row("cluster", m.self.Cluster)
	row("manager", m.self.Name)
	switch {
	case m.tls.Load() == nil:
		row("tls", "the manager doesn't run")
	case m.TakesPlain():
		row("tls", "prefer: its ports take plain connections as well, from everybody")
	default:
		row("tls", "require: its ports take TLS alone")
	}
	row("certificate", "ends "+stamp(leaf.NotAfter)+", is renewed from "+stamp(pki.RenewAt(leaf)))
	row("issuer", "ends "+stamp(m.ring().issuer.Chain[0].NotAfter))
	names := state.Authorities()
	for i, h := range names {
		what := m.Rotation().describe(h)
		_, err := m.holding()
		switch {
		case i < len(names)-1:
			what += ", is being replaced"
		case err == nil:
			what += ", its key is on this server"
		}
		row("authority", what)
		if i == len(names)-1 && err != nil {
			m.whereKey(row)
		}
	}
	row("access log", fmt.Sprintf("%d lines, the last of %s", state.Number, stamp(state.Time)))
	if since := m.StaleSince(); !since.IsZero() {
		row("access", "stale since "+stamp(since)+": no other manager answers, and what was revoked since is not known here")
	}
	for _, f := range state.Forks {
		row("fork", fmt.Sprintf("branch %s of the access log differs from line %d on (%d lines, the first signed by %s): only what both allow is allowed, "+
			"until dkvmanager pki settle ends the branch", f.Theirs.String()[:minBranch], f.Number, f.Lines, f.By))
		if f.Ours != (access.Hash{}) {
			row("", fmt.Sprintf("or settle ends the lines that the log has in its place: branch %s (%d lines, the first signed by %s)",
				f.Ours.String()[:minBranch], state.Number-f.Number+1, f.OursBy))
		}
	}
	if why := m.Excluded(); why != "" {
		row("excluded", why)
	} else if why := m.Refusals(); why != "" {
		row("refused", why)
	}
	if m.external != nil {
		for _, what := range m.external.Warnings() {
			row("own certificates", what)
		}
	}
	_ = w.Flush() // a strings.Builder takes everything
	if next := m.Rotation().Next(); next != "" {
		out.WriteString("\nThe authority is being replaced.\n" + next)
	}
	table(&out, "MANAGER\tSINCE\tADDRESS", m.memberRows(state))
	table(&out, "NAME\tROLE\tENDS", grantRows(state, now))
	table(&out, "BEARER TOKEN OF\tROLE\tENDS", m.bearerRows(state, now))
	table(&out, "JOIN TOKEN\tLEFT\tENDS", tokenRows(state, now))
	return out.String()
}

// whereKey says where the authority's key is, if it isn't on this server, in rows that a terminal shows whole.
func (m *Member) whereKey(row func(cells ...string)) {
	holder := m.State().Holder
	switch {
	case holder == m.self.Name:
		row("its key", m.keys.Path(pki.AuthorityFile)+" is missing:")
		row("", "restore the file from a backup,")
		row("", "or bring the key back with dkvmanager pki import")
		return
	case m.urlOf(holder) != "":
		row("its key", "is on the server of "+m.urlOf(holder))
	default:
		row("its key", "is on the server of "+holder)
	}
	if m.ring().authority != nil {
		row("", "the copy "+m.keys.Path(pki.AuthorityFile)+" signs nothing: delete it,")
		row("", "or bring the key here with dkvmanager pki import")
	}
}

// urlOf returns the URL at which another manager was reached last, or "".
func (m *Member) urlOf(name string) string {
	for _, other := range m.Managers() {
		if other.Identity == name {
			return other.URL
		}
	}
	return ""
}

// table writes a table with a header, if it has rows.
func table(out *strings.Builder, header string, rows []string) {
	if len(rows) == 0 {
		return
	}
	out.WriteByte('\n')
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	for _, r := range rows {
		fmt.Fprintln(w, r)
	}
	_ = w.Flush()
}

func (m *Member) memberRows(s *access.State) []string {
	urls := map[string]string{m.self.Name: m.URL()}
	for _, other := range m.Managers() {
		urls[other.Identity] = other.URL
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Members)) {
		out = append(out, name+"\t"+s.Members[name].Since.UTC().Format(time.DateOnly)+"\t"+urls[name])
	}
	return out
}

func grantRows(s *access.State, now time.Time) []string {
	var out []string
	for _, uri := range slices.Sorted(maps.Keys(s.Grants)) {
		g := s.Grants[uri]
		name := uri
		if g.Identity.Kind == identity.User {
			name = g.Identity.Name
		}
		out = append(out, name+"\t"+string(g.Role)+"\t"+ends(g.Expires, now))
	}
	return out
}

func (m *Member) bearerRows(s *access.State, now time.Time) []string {
	burnt := m.burnt.hashes()
	var out []string
	for h, b := range s.Bearers {
		until := ends(b.Expires, now)
		if burnt[h] {
			until = "came without TLS: it counts no longer"
		}
		out = append(out, b.Identity.Name+"\t"+string(b.Role)+"\t"+until)
	}
	slices.Sort(out)
	return out
}

// tokenRows returns the join tokens that servers can still use, by the first digits of their hash.
func tokenRows(s *access.State, now time.Time) []string {
	var out []string
	for h, t := range s.Tokens {
		if left := t.Count - len(t.Uses); left > 0 && now.Before(t.Expires) {
			out = append(out, fmt.Sprintf("%s…\t%d\t%s", h.String()[:8], left, ends(t.Expires, now)))
		}
	}
	slices.Sort(out)
	return out
}

// ends describes an end, which is in the past or not.
func ends(at, now time.Time) string {
	switch {
	case at.IsZero():
		return "never"
	case !now.Before(at):
		return stamp(at) + " (expired)"
	}
	return stamp(at)
}

// AccessState returns what the access log says.
func (m *Member) AccessState() wire.AccessState {
	state, now := m.State(), m.now()
	out := wire.AccessState{
		Cluster: state.Cluster, Manager: m.self.Name, Time: state.Time,
		Head:    wire.AccessHead{Number: state.Number, Hash: state.Head.String()},
		Members: []wire.AccessMember{}, Grants: []wire.AccessGrant{}, Bearers: []wire.AccessGrant{},
		Tokens: []wire.AccessToken{}, Revoked: []string{}, Forks: []wire.AccessFork{},
	}
	urls := map[string]string{m.self.Name: m.URL()}
	for _, other := range m.Managers() {
		urls[other.Identity] = other.URL
	}
	for _, name := range slices.Sorted(maps.Keys(state.Members)) {
		member, id := state.Members[name], identity.Identity{Kind: identity.Manager, Cluster: state.Cluster, Name: name}
		out.Members = append(out.Members, wire.AccessMember{
			URI: id.String(), Since: member.Since, Issuer: member.Issuer, URL: urls[name],
			Authority: name == state.Holder,
		})
	}
	for _, uri := range slices.Sorted(maps.Keys(state.Grants)) {
		g := state.Grants[uri]
		out.Grants = append(out.Grants, wire.AccessGrant{
			URI: uri, Role: string(g.Role), Serial: g.Serial, Expires: orNil(g.Expires),
		})
	}
	for _, h := range sortedHashes(state.Bearers) {
		b := state.Bearers[h]
		out.Bearers = append(out.Bearers, wire.AccessGrant{
			URI: b.Identity.String(), Role: string(b.Role), Token: shortHash(h), Expires: orNil(b.Expires),
		})
	}
	for _, h := range sortedHashes(state.Tokens) {
		t := state.Tokens[h]
		if left := t.Count - len(t.Uses); left > 0 && now.Before(t.Expires) {
			out.Tokens = append(out.Tokens, wire.AccessToken{
				Token: shortHash(h), Manager: t.Manager, Left: left, Expires: t.Expires,
			})
		}
	}
	for _, serial := range slices.Sorted(maps.Keys(state.Revoked)) {
		if state.Revoked[serial] {
			out.Revoked = append(out.Revoked, serial)
		}
	}
	for _, f := range state.Forks {
		fork := wire.AccessFork{Number: f.Number, Theirs: f.Theirs.String(), Lines: f.Lines}
		if f.Ours != (access.Hash{}) {
			fork.Ours = f.Ours.String()
		}
		out.Forks = append(out.Forks, fork)
	}
	return out
}

// sortedHashes returns the keys of a map in order.
func sortedHashes[T any](of map[access.Hash]T) []access.Hash {
	return slices.SortedFunc(maps.Keys(of), func(a, b access.Hash) int { return bytes.Compare(a[:], b[:]) })
}

// shortHash returns as much of the hash of a token as people need to tell it from others.
func shortHash(h access.Hash) string { return h.String()[:8] }

// orNil returns nil for the zero time.
func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
