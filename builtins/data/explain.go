package data

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

// Codes of the errors of a store object, beside those of connections.
const (
	codeStopped    = "stopped"
	codeNoMajority = "no_majority"
	codeFull       = "full"
	codeDenied     = "denied"
	codeCorrupt    = "corrupt"
	codeTooLarge   = "too_large"
	codeCompacted  = "compacted"
	codeBusy       = "busy"
	codeRefused    = "store" // the engine's refusal of a request, for a reason that has no code here
)

// refusal is the error for a failed request, as scripts get it.
type refusal struct {
	code, message, hint string
}

// engineRefusals lists the engine's refusals that are explained without the store's status: a part of the engine's
// message, and the refusal in our words. %s is the store.
var engineRefusals = []struct {
	words string
	refusal
}{
	{"database space exceeded", refusal{codeFull, "%s is full: its data has reached the quota of 2 GiB, and it takes reads only",
		"remove keys, then compact and defragment it, and disarm the alarm, with dkvmanager etcdctl on its servers"}},
	{"user name is empty", usersOnly},
	{"permission denied", usersOnly},
	{"invalid auth token", usersOnly},
	{"corrupt", refusal{codeCorrupt, "%s takes no requests: an instance has found its data corrupt", "instance_log shows which instance it is"}},
	{"request is too large", tooLarge},
	{"larger than max", tooLarge},
	{"has been compacted", refusal{codeCompacted, "%s no longer has the revision that the request reads: it keeps old revisions for 5 minutes", ""}},
	{"too many requests", refusal{codeBusy, "%s has too many requests in progress", "try again later, with fewer at once"}},
}

var (
	usersOnly = refusal{codeDenied, "%s refuses requests without a user: authentication is enabled in it",
		"dkvrun does not support users; dkvmanager etcdctl --data-dir DIR STORE/INSTANCE -- --user root auth disable, on one of its servers, ends it"}
	tooLarge = refusal{codeTooLarge, "%s takes no request of that size: 1.5 MiB is the most", ""}
)

// engineRefusal returns the engine's refusal in our words. ok is false if only the store's status can explain it, for
// example a missing majority.
func engineRefusal(store, words string) (r refusal, ok bool) {
	for _, known := range engineRefusals {
		if strings.Contains(words, known.words) {
			r = known.refusal
			r.message = fmt.Sprintf(r.message, store)
			return r, true
		}
	}
	return refusal{}, false
}

// outcome describes a failed request whose cause the engine does not name.
type outcome struct {
	code string
	// failed says how it failed, such as "10.0.0.11:7861: connection refused".
	failed string
	// reached is true if an instance received the request and waited in vain for the others.
	reached bool
}

// explain explains a failed request by what the managers report about the store now; v is nil if no manager could be
// asked.
func (s *store) explain(v *cluster.View, o outcome) refusal {
	switch {
	case v == nil:
		return refusal{o.code, o.failed, ""}
	case v.Silent == len(v.Reports):
		return refusal{o.code, o.failed + "; no manager answers that knows the status of " + s.name, ""}
	case v.Latest == nil:
		return refusal{wire.CodeStoreNotFound, "no manager knows a store " + s.name + ": " + o.failed, ""}
	case v.Status() == wire.StoreStopped:
		return refusal{codeStopped, s.name + " is stopped", fmt.Sprintf("start_store(%q) starts it", s.name)}
	}
	there, unknown, voters := 0, 0, 0
	var absent, unready []string
	for _, in := range v.Instances {
		if !in.Ready {
			unready = append(unready, v.NotReady(in.Name)...)
		}
		if in.Role != wire.Data || in.Status == wire.Joining {
			continue
		}
		voters++
		switch in.Status {
		case wire.Running:
			there++
		case wire.Unknown:
			unknown++
			fallthrough
		default:
			absent = append(absent, v.NotReady(in.Name)...)
		}
	}
	needed := voters/2 + 1
	if there < needed && (o.reached || there+unknown < needed) {
		message := fmt.Sprintf("%s has no majority: %d of %d are there, %d are needed", s.name, there, voters, needed)
		return refusal{codeNoMajority, message, "not there: " + text.Few(absent)}
	}
	hint := ""
	if len(unready) > 0 {
		hint = "not ready: " + text.Few(unready)
	}
	if in := s.only(v); in != nil && in.Status != wire.Running {
		code := o.code
		if in.Status == wire.Stopped {
			code = codeStopped
		}
		return refusal{code, fmt.Sprintf("%s of %s is %s: %s", in.Name, s.name, in.Status, o.failed), hint}
	}
	return refusal{o.code, fmt.Sprintf("%s is %s: %s", s.name, v.Status(), o.failed), hint}
}

// hasNoMajority reports whether it is certain that too few of the store's data instances run. One whose state is not
// known, or that is starting, may be able to answer.
func hasNoMajority(v *cluster.View) bool {
	if v.Latest == nil {
		return false
	}
	possible, voters := 0, 0
	for _, in := range v.Instances {
		if in.Role != wire.Data || in.Status == wire.Joining {
			continue
		}
		voters++
		switch in.Status {
		case wire.Running, wire.Starting, wire.Unknown:
			possible++
		}
	}
	return possible < voters/2+1
}

// only returns the instance whose client port is the store object's only endpoint, or nil.
func (s *store) only(v *cluster.View) *cluster.Instance {
	if len(s.endpoints) != 1 {
		return nil
	}
	for i, in := range v.Instances {
		if in.ClientPort == s.endpoints[0].Port && sameHost(in.Host, s.endpoints[0].Host) {
			return &v.Instances[i]
		}
	}
	return nil
}

func sameHost(a, b string) bool {
	if x, y := net.ParseIP(a), net.ParseIP(b); x != nil && y != nil {
		return x.Equal(y)
	}
	return strings.EqualFold(a, b)
}

// viewTimeout bounds the query about a store's status after a failed request.
const viewTimeout = 2 * time.Second

// view returns what the managers report about the store now; nil if there is no session, or none of them can be asked.
// A manager that does not answer is no failure: the request that is explained has failed already.
func (s *store) view(c *runtime.Call) *cluster.View {
	if s.session == nil {
		return nil
	}
	all, err := s.query(c, s.session.Members(), wire.StorePath(s.name))
	if err != nil {
		return nil
	}
	v := cluster.NewView(s.name, all)
	answers := func(r cluster.Response) bool { return r.Answer.Err == nil }
	if v.Silent == len(v.Reports) && slices.ContainsFunc(all, answers) {
		return nil // they answer, and tell this caller nothing: it is an application
	}
	return v
}

// query reads a path from some managers without a notice about those that do not answer.
func (s *store) query(c *runtime.Call, managers []cluster.Member, path string) ([]cluster.Response, error) {
	call := cluster.Caller{
		Builtin: c.Name, Client: s.client, Timeout: viewTimeout, ConnectTimeout: viewTimeout,
		Notice: func(string) {}, Progress: func(string) {}, ShowProbes: func([]cluster.Probe, error) {},
	}
	return call.QueryMembers(c.Context(), managers, path)
}

// failure returns the error of a call whose last request, to an endpoint, failed or was refused. A write that was sent
// and not answered may have been carried out. lost is the view in which the store had no majority, so that the answer
// was not waited for; nil otherwise.
func (s *store) failure(
	c *runtime.Call, at fanout.Endpoint, last fanout.Answer, write bool, lost *cluster.View,
) *runtime.Error {
	var r refusal
	inDoubt := false
	if lost != nil {
		inDoubt = last.Err.Sent
		r = s.explain(lost, outcome{fanout.Timeout, fmt.Sprintf("%s has not answered", at), true})
	} else if last.Err != nil {
		inDoubt = last.Err.Sent
		r = s.explain(s.view(c), outcome{last.Err.Class, last.Err.Message, inDoubt})
	} else {
		r, inDoubt = s.refused(c, at, last)
	}
	if write && inDoubt {
		r.message += "; the write may have been made"
	}
	err := c.Errorf(r.code, "%s: %s", c.Name, r.message)
	err.Hint, err.InDoubt = r.hint, write && inDoubt
	return err
}

// refused returns why the instance at an endpoint refused a request. inDoubt is true if the request may be carried out
// nevertheless.
func (s *store) refused(c *runtime.Call, at fanout.Endpoint, last fanout.Answer) (r refusal, inDoubt bool) {
	message, code := engineError(last)
	if message == "" {
		return refusal{fanout.Protocol, fmt.Sprintf("%s answered %d without a reason: is it a client port?", at, last.Status), ""}, true
	}
	if reason, starting := strings.CutPrefix(message, wire.NotServing); starting {
		waited := fmt.Sprintf("%s does not serve yet: %s", at, printable.Line(reason))
		return s.explain(s.view(c), outcome{fanout.Timeout, waited, true}), false
	}
	if r, known := engineRefusal(s.name, message); known {
		return r, false
	}
	switch code {
	case grpcCancelled, grpcUnknown, grpcDeadlineExceeded, grpcUnavailable:
		waited := fmt.Sprintf("%s waited for the other data instances in vain", at)
		return s.explain(s.view(c), outcome{fanout.Timeout, waited, true}), true
	}
	reason := fmt.Sprintf("%s refused the request: %s", at, printable.Line(strings.TrimPrefix(message, "etcdserver: ")))
	return s.explain(s.view(c), outcome{codeRefused, reason, false}), false
}

// notServing reports whether an instance that is starting refused a request, which it did not carry out.
func notServing(a fanout.Answer) bool {
	message, _ := engineError(a)
	return a.Status == http.StatusServiceUnavailable && strings.HasPrefix(message, wire.NotServing)
}

// otherStoreRefusal returns why an instance of another store refused a request, which it did not carry out; "" for
// another answer.
func otherStoreRefusal(a fanout.Answer) string {
	message, _ := engineError(a)
	reason, refused := strings.CutPrefix(message, wire.OtherStore)
	if a.Status != http.StatusPreconditionFailed || !refused {
		return ""
	}
	return printable.Line(reason)
}

// engineError returns the message and the gRPC code of an error of the engine's JSON routes; "" for another answer.
func engineError(a fanout.Answer) (message string, code int) {
	var body struct {
		Message string `json:"message"`
		Code    int    `json:"code"`
	}
	if json.Unmarshal(a.Body, &body) != nil {
		return "", 0
	}
	return body.Message, body.Code
}

// Codes of gRPC with which an instance answers that could not reach the others.
const (
	grpcCancelled        = 1
	grpcUnknown          = 2
	grpcDeadlineExceeded = 4
	grpcUnavailable      = 14
)
