package access

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/access"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// A line of the access log is written in four steps: the log is read from the managers and verified with the roots of
// the admin's credential; the line is signed with the admin's key, which stays here; one manager takes it, and has it
// on disk before it answers; the others pull it from each other.
//
// A line names the one before it, so that a manager refuses it if the log has grown meanwhile: then the log is read
// again, the rules are checked again, and the line is signed again. If an answer is lost, the same line is offered
// again, also to other managers: it can't be taken twice. All lines go to the manager whose server holds the authority,
// if it answers, since two lines with the same number that two managers take at the same time would be a fork of the
// log.

// Times of the waits.
const (
	retryEvery = 200 * time.Millisecond
	// settleTime bounds the time for which a line is refused that follows the longest log: a manager takes what it
	// lacks of it every 2 s.
	settleTime = 6 * time.Second
	// spreadTime bounds the wait until all managers have a line. They pull it every 2 s.
	spreadTime = 15 * time.Second
	// silentTime bounds it for a manager that has stopped answering.
	silentTime = 3 * time.Second
)

// Codes of errors.
const (
	codeNotSecured  = wire.CodeNotSecured
	codeNoAdmin     = "no_admin"     // the run's credential can't sign lines of the access log
	codeLastAdmin   = "last_admin"   // the change would end the last admin's certificate, or the one that the run uses
	codeNotWritten  = "not_written"  // no manager took the line
	codeOtherLog    = "other_log"    // the access log of a manager can't be verified
	codeUnknownName = "unknown_name" // there is nobody of this name
)

// change is a call that changes the access log.
type change struct {
	c       *runtime.Call
	r       *run.Run
	members []cluster.Member // those that answer
	silent  []report.Row     // those that don't
	cluster string

	signer *identity.Bundle // the admin's credential
	self   identity.Identity
	log    *access.Log
	known  []wire.Manager // where managers were reached last
}

// begin finds the managers and the admin's credential, and reads the access log.
func begin(c *runtime.Call) (*change, error) {
	r := run.Of(c)
	s, silent, _, err := r.AnsweringSession(c)
	if err != nil {
		return nil, err
	}
	h := &change{c: c, r: r, members: s.Members(), silent: silent}
	for _, m := range h.members {
		if m.Info.Security == nil {
			return nil, c.Errorf(codeNotSecured, "%s: manager %s is not secured: it has no access log", c.Name, m.Endpoint)
		}
		if h.cluster = cmp.Or(h.cluster, m.Info.Security.Cluster); h.cluster != m.Info.Security.Cluster {
			return nil, c.Errorf("same_cluster", "%s: the managers are of the clusters %s and %s: name those of one", c.Name, h.cluster,
				m.Info.Security.Cluster)
		}
	}
	if err := h.findSigner(); err != nil {
		return nil, err
	}
	return h, h.refresh()
}

// findSigner finds the admin's credential.
func (h *change) findSigner() error {
	if h.r.Credentials == nil {
		return h.c.Errorf(codeNoAdmin, "%s: this run has no credential of cluster %s", h.c.Name, h.cluster)
	}
	b, path, err := h.r.Credentials.For(h.members[0].Endpoint).For(h.cluster)
	if err != nil {
		err := h.c.Errorf(codeNoAdmin, "%s: %v", h.c.Name, err)
		err.Hint = "the change is signed with an admin's credential of the cluster, which dkvmanager credential makes"
		return err
	}
	if b.Key == nil {
		err := h.c.Errorf(codeNoAdmin, "%s: the bearer token %s can't sign the change: that takes the certificate of an admin", h.c.Name, path)
		err.Hint = "name its file with --credential"
		return err
	}
	h.signer = b
	h.self, err = b.Identity()
	return err
}

// get reads a path of one manager.
func (h *change) get(from cluster.Member, query url.Values) ([]byte, error) {
	all, err := h.r.QueryMembers(h.c, []cluster.Member{from}, wire.AccessPath()+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	if !all[0].Row.Success {
		return nil, &rowError{all[0].Row}
	}
	return all[0].Answer.Body, nil
}

// rowError is the failure of a manager to give lines.
type rowError struct{ report.Row }

func (e *rowError) Error() string { return e.Manager + ": " + e.Message }

// raise returns an error as the script gets it.
func (h *change) raise(err error) error {
	var failed *rowError
	if errors.As(err, &failed) {
		out := h.c.Errorf(failed.Code, "%s: %s", h.c.Name, failed)
		out.Hint = failed.Hint
		return out
	}
	return err
}

// refresh takes what the managers have of the access log. It is an error if none gives a log that can be verified.
func (h *change) refresh() error {
	all, err := h.r.QueryMembers(h.c, h.members, wire.AccessPath())
	if err != nil {
		return err
	}
	var failed error
	read := false
	for i := range all {
		if err := h.take(&all[i]); err == nil {
			read = true
		} else if failed == nil {
			failed = err
		}
		if err := h.c.Context().Err(); err != nil {
			return err
		}
	}
	if !read {
		return h.raise(failed)
	}
	return nil
}

// take takes what one manager has, as it has answered.
func (h *change) take(from *cluster.Response) error {
	var has wire.Access
	if !from.Decode(&has) {
		return &rowError{from.Row}
	}
	heads, err := headsOf(has)
	if err == nil && (has.Cluster != h.cluster || len(heads) == 0) {
		err = fmt.Errorf("it is of cluster %.80q", has.Cluster)
	}
	if err != nil {
		return h.other(from.Member, err)
	}
	h.known = append(h.known, has.Managers...)
	fetch := func(head access.Hash, number int64) ([]byte, error) {
		return h.get(from.Member, url.Values{"head": {head.String()}, "from": {strconv.FormatInt(number, 10)}})
	}
	if h.log == nil {
		if h.log, err = readWhole(heads[0], fetch, h.roots()); err != nil {
			return h.other(from.Member, err)
		}
	}
	if err := h.log.Pull(heads, fetch, time.Now()); err != nil {
		return h.other(from.Member, err)
	}
	return nil
}

// other describes why the access log of a manager is not taken.
func (h *change) other(from cluster.Member, err error) error {
	var failed *rowError
	if errors.As(err, &failed) {
		return err
	}
	return &rowError{report.Row{Manager: from.Endpoint.String(), Code: codeOtherLog,
		Message: fmt.Sprintf("its access log can't be used: %v", err)}}
}

func headsOf(has wire.Access) ([]access.Head, error) {
	var out []access.Head
	for _, h := range has.Heads {
		head := access.Head{Number: h.Number}
		if err := head.Hash.UnmarshalText([]byte(h.Hash)); err != nil {
			return nil, fmt.Errorf("a head of its access log: %w", err)
		}
		out = append(out, head)
	}
	return out, nil
}

// roots returns the keys of the roots that the admin's credential trusts.
func (h *change) roots() []access.Hash {
	var out []access.Hash
	for _, c := range h.signer.Roots {
		out = append(out, access.Hash(identity.HashKey(c)))
	}
	return out
}

// readWhole reads and verifies the whole log that ends with a line.
func readWhole(
	head access.Head, fetch func(access.Hash, int64) ([]byte, error), roots []access.Hash,
) (*access.Log, error) {
	var all []byte
	for number := int64(1); number <= head.Number; {
		lines, err := fetch(head.Hash, number)
		if err != nil {
			return nil, err
		}
		n := strings.Count(string(lines), "\n")
		if n == 0 {
			return nil, fmt.Errorf("it ends before line %d", number)
		}
		all, number = append(all, lines...), number+int64(n)
	}
	return access.Read(all, roots)
}

// writers returns the managers that answer, in the order in which they are asked to take a line.
func (h *change) writers() []cluster.Member {
	holder := h.log.State().Holder
	out := slices.Clone(h.members)
	slices.SortStableFunc(out, func(a, b cluster.Member) int {
		if is, other := a.Identity() == holder, b.Identity() == holder; is != other {
			if is {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Identity(), b.Identity())
	})
	return out
}

// holder returns the manager that makes the certificates of users.
func (h *change) holder() (cluster.Member, error) {
	name := h.log.State().Holder
	for _, m := range h.members {
		if m.Identity() == name {
			return m, nil
		}
	}
	at := "manager " + name
	for _, m := range h.known {
		if m.Identity == name {
			at += ", " + strings.TrimPrefix(m.URL, "https://")
		}
	}
	err := h.c.Errorf(wire.CodeNoAuthority, "%s: certificates of users are made by %s alone, whose server holds the authority's key", h.c.Name, at)
	err.Hint = "add it to the session; if it doesn't answer, start it; a bearer token (token = true) needs no certificate"
	return cluster.Member{}, err
}

// write signs a line and lets a manager take it. Line returns it for a state of the log, or nil if the state says
// already what it would say. It is called again when the log has changed. Write returns the line, or nil.
func (h *change) write(line func(*access.State) (*access.Entry, error)) (*access.Entry, error) {
	end := h.c.Began.Add(time.Duration(h.c.Float("timeout_sec") * float64(time.Second)))
	before, since := int64(0), time.Now() // the number of lines, and since when
	for {
		wanted, err := line(h.log.State())
		if err != nil || wanted == nil {
			return nil, err
		}
		e, err := h.log.Prepare(*wanted, h.signer.Key, time.Now())
		if err != nil {
			return nil, err
		}
		if err := h.log.Check(e); err != nil {
			return nil, h.c.Errorf(wire.CodeLineRefused, "%s: %v", h.c.Name, err)
		}
		taken, again, err := h.offer(e)
		if taken {
			return &e, nil
		}
		if !again || time.Now().After(end) {
			return nil, err
		}
		if number := h.log.State().Number; number != before {
			before, since = number, time.Now()
		} else if time.Since(since) > settleTime {
			return nil, err // a manager refuses the line for another reason than that the log has grown
		}
		if err := run.Pause(h.c.Context(), retryEvery); err != nil {
			return nil, h.cutOff(err)
		}
		if err := h.refresh(); err != nil {
			return nil, err
		}
		if h.log.Knows(e.Head()) { // the answer was lost
			return &e, nil
		}
	}
}

// cutOff is the error of a call that was cancelled after a line was offered.
func (h *change) cutOff(cause error) error {
	return &runtime.Error{Code: runtime.CodeCancelled, Message: h.c.Name + ": cut off", Cause: cause, InDoubt: true,
		Hint: "the change may have been made: list_access() shows it"}
}

// offer offers a line to the managers until one takes it. Again reports that it, or another one, may be offered again.
func (h *change) offer(e access.Entry) (taken, again bool, err error) {
	text, err := json.Marshal(e)
	if err != nil {
		return false, false, err
	}
	body, err := json.Marshal(wire.AppendAccess{Line: string(text)})
	if err != nil {
		return false, false, err
	}
	var last report.Row
	doubt := false
	for _, m := range h.writers() {
		answer, err := h.r.Caller(h.c).Post(h.c.Context(), m, wire.AccessPath(), body, "AppendAccess")
		if err != nil {
			return false, false, h.cutOff(err)
		}
		if answer.Row.Success {
			return true, false, nil
		}
		last = answer.Row
		switch {
		case answer.Answer.Err != nil:
			// The next one is asked to take the same line: where both take it, it is one line.
			doubt = doubt || answer.Answer.Err.Sent
			continue
		case last.Code == wire.CodeLineRefused:
			return false, true, h.notWritten(last, doubt)
		case last.Code == wire.CodeTooBusy || last.StatusCode == http.StatusServiceUnavailable:
			continue
		}
		return false, false, h.notWritten(last, doubt)
	}
	return false, true, h.notWritten(last, doubt)
}

// notWritten is the error of a line that no manager is known to have taken.
func (h *change) notWritten(last report.Row, doubt bool) error {
	err := h.c.Errorf(cmp.Or(last.Code, codeNotWritten), "%s: no manager took the change: %s: %s", h.c.Name, last.Manager, last.Message)
	err.Hint, err.InDoubt = last.Hint, doubt
	if doubt {
		err.Hint = "a manager may have taken it: list_access() shows whether it was made; call again if not"
	}
	return err
}

// finish shows a row for each manager: whether it has the line, or would get it. A nil line was there before.
func (h *change) finish(action, what string, e *access.Entry) (any, error) {
	a, err := h.r.Begin(h.c, "managers")
	if err != nil {
		return nil, err
	}
	a.Results = run.NewResults(h.c, "managers", func(c *runtime.Call, _ *run.Results) (*run.Results, error) {
		return nil, c.Errorf("usage", "%s can't be retried: managers take the change when they reach another one; list_access() compares them", h.c.Name)
	})
	var rows []report.Row
	row := report.Row{
		Result: report.Success, Success: true, Changed: true, StatusCode: http.StatusOK, Code: wire.CodeOK, Message: what,
	}
	missing := map[string]bool{}
	switch {
	case h.r.Planning(h.c):
		row.Result, row.Code, row.Changed = report.Planned, "planned", false
	case e == nil:
		row.Code, row.Changed = wire.CodeUnchanged, false
	default:
		if missing, err = h.spread(*e); err != nil {
			return nil, err
		}
	}
	for _, m := range h.members {
		shown := row
		if missing[m.Identity()] {
			shown = report.Row{Result: report.Failed, Code: fanout.Timeout,
				Message: fmt.Sprintf("has not taken line %d of the access log yet", e.Number),
				Hint:    "it takes it from another manager within seconds of reaching one: see its log"}
		}
		shown.Manager, shown.Action = m.Endpoint.String(), action
		rows = append(rows, shown)
	}
	a.Show(rows)
	a.AddSilent(action, h.silent)
	return a.End()
}

// spread waits until all managers that answer have a line, and returns those that don't have it in time.
func (h *change) spread(e access.Entry) (map[string]bool, error) {
	end := time.Now().Add(spreadTime)
	left := h.members
	missing := map[string]bool{}
	heard := map[string]time.Time{} // when a manager has answered last
	for _, m := range left {
		heard[m.Identity()] = time.Now()
	}
	for {
		h.r.Reporter.Progress(fmt.Sprintf("%s: %d of %d managers have it", h.c.Name, len(h.members)-len(left), len(h.members)))
		all, err := h.r.QueryMembers(h.c, left, wire.AccessPath())
		if err != nil {
			return nil, h.cutOff(err)
		}
		var still []cluster.Member
		for i := range all {
			name := all[i].Member.Identity()
			if all[i].Answer.Err == nil {
				heard[name] = time.Now()
			}
			switch {
			case h.has(&all[i], e):
			case time.Since(heard[name]) > silentTime:
				missing[name] = true
			default:
				still = append(still, all[i].Member)
			}
		}
		left = still
		if len(left) == 0 || time.Now().After(end) {
			break
		}
		if err := run.Pause(h.c.Context(), retryEvery); err != nil {
			return nil, h.cutOff(err)
		}
	}
	h.r.Reporter.Progress("")
	for _, m := range left {
		missing[m.Identity()] = true
	}
	return missing, nil
}

// has reports whether a manager, which has answered, has a line.
func (h *change) has(answer *cluster.Response, e access.Entry) bool {
	var now wire.Access
	if !answer.Decode(&now) {
		// A manager that knows the line refuses the credential that it ends.
		ends := e.Subject == h.self.String() || e.Serial == access.Serial(h.signer.Chain[0].SerialNumber)
		return ends && (answer.Row.Code == wire.CodeNotAuthenticated || answer.Row.Code == wire.CodeNotAllowed)
	}
	heads, err := headsOf(now)
	switch {
	case err != nil || len(heads) == 0 || heads[0].Number < e.Number:
		return false
	case heads[0] == e.Head():
		return true
	}
	lines, err := h.get(answer.Member, url.Values{"head": {heads[0].Hash.String()}, "from": {strconv.FormatInt(e.Number, 10)}})
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(lines), "\n")
	text, err := json.Marshal(e)
	return err == nil && first == string(text)
}

// checkAdmins refuses a change that would end the last admin's certificate, or the one that this run uses: nobody could
// change access from a runbook any more. With force it is made; the command dkvmanager credential, on the server that
// holds the authority's key, makes a new admin.
func (h *change) checkAdmins(state *access.State, ends func(access.GrantState) bool) error {
	if h.c.Bool("force") {
		return nil
	}
	now := time.Now()
	others, ended, self := 0, false, false
	for _, g := range state.Grants {
		if g.Role != identity.Admin || g.Key == (access.Hash{}) || !g.Expires.IsZero() && !now.Before(g.Expires) {
			continue
		}
		if !ends(g) {
			others++
			continue
		}
		ended = true
		self = self || g.Identity == h.self
	}
	reason := ""
	switch {
	case ended && others == 0:
		reason = "it would end the certificate of the last admin: nobody could change access from a runbook any more"
	case self:
		reason = "it would end the certificate that this run uses, that of " + h.self.Describe()
	default:
		return nil
	}
	err := h.c.Errorf(codeLastAdmin, "%s: %s", h.c.Name, reason)
	err.Hint = "force = true confirms it; dkvmanager credential, on the server that holds the authority's key, makes another admin"
	return err
}

// unknown is the error for a name that nobody has.
func (h *change) unknown(s *access.State, name string) error {
	err := h.c.Errorf(codeUnknownName, "%s: nobody named %s has access to cluster %s", h.c.Name, name, s.Cluster)
	err.Hint = cmp.Or(text.DidYouMean(name, s.Names()), "list_access() lists who has access")
	return err
}
