package admin

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// request is an HTTP request whose form has been checked.
type request struct {
	ctx                        context.Context
	store, instance, operation string
	// digest is that of the ActionRequest that the handler has understood; empty before, and for other requests.
	digest string
	client netip.Addr
	// subject is the URI of whom the request concerns, if it changes who has access; else empty.
	subject string
	// sender is the manager that says that it makes the request, or "".
	sender string
	// dryRun means that the request asks what would happen, and changes nothing.
	dryRun bool
	// reason is why the request is made, as the client says; empty if it doesn't.
	reason string
	// caller is who makes the request; the zero value if that is not known.
	caller identity.Caller
	query  url.Values
	// question says which manager asks for a state; the zero value if none does.
	question wire.StateQuestion
	body     []byte
	// release frees what the request holds for its body.
	release func()
}

// read checks the form of a request: names, parameters, body. It has no side effects.
func (a *API) read(w http.ResponseWriter, r *http.Request, route *route, names map[string]string) (*request, error) {
	req := &request{ctx: r.Context(), client: clientOf(r), sender: r.Header.Get(wire.SenderHeader),
		store: names["store"], instance: names["instance"], operation: names["operation"],
		question: wire.ReadQuestion(r.Header.Get(wire.QuestionHeader))}
	for _, field := range []string{"store", "instance"} {
		if name, has := names[field]; has {
			if err := wire.CheckName(name); err != nil {
				return nil, wire.Refuse(wire.CodeBadName, "the %s's name in the path %w", field, err)
			}
		}
	}
	if id, has := names["operation"]; has && !isUUID(id) {
		return nil, wire.Refuse(wire.CodeBadRequest, "the operation in the path: got %s, want a UUID in lower case", quoted(id))
	}
	if route.action == "Join" {
		if err := checkJoin(r); err != nil {
			return nil, err
		}
	}
	var err error
	if req.query, err = readQuery(r, route.params); err != nil {
		return nil, err
	}
	if stated := r.Header.Values(wire.ReasonHeader); len(stated) > 1 {
		return nil, wire.Refuse(wire.CodeBadRequest, "header %s is given twice", wire.ReasonHeader)
	} else if len(stated) == 1 {
		if req.reason, err = wire.DecodeReason(stated[0]); err != nil {
			return nil, wire.Refuse(wire.CodeBadRequest, "header %s %w", wire.ReasonHeader, err)
		}
	}
	noBody := func() error { return wire.Refuse(wire.CodeBadRequest, "%s takes no body: send none", route.action) }
	if !route.body && r.ContentLength > 0 {
		return nil, noBody()
	}
	if req.body, req.release, err = a.bodies.read(w, r); err != nil {
		return nil, err
	}
	if !route.body && len(req.body) > 0 {
		req.release()
		return nil, noBody()
	}
	return req, nil
}

// clientOf returns the IP address of a request's client, or the zero value if it has none.
func clientOf(r *http.Request) netip.Addr {
	client, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero value on error
	return client.Addr().Unmap()
}

func readQuery(r *http.Request, known []string) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, wire.Refuse(wire.CodeBadRequest, "the query can't be read: %s", err)
	}
	for name, values := range query {
		if !slices.Contains(known, name) {
			return nil, wire.Refuse(wire.CodeBadRequest, "parameter %s is not known here%s", quoted(name), choices(known))
		}
		if len(values) > 1 {
			return nil, wire.Refuse(wire.CodeBadRequest, "parameter %s is given twice", name)
		}
	}
	return query, nil
}

func choices(known []string) string {
	if len(known) == 0 {
		return ": this path takes none"
	}
	return ": there is " + strings.Join(known, ", ")
}

// understood keeps what the response names of the request: its store and its digest.
func (q *request) understood(as wire.ActionRequest) { q.store, q.digest = as.Store, as.Digest() }

// auditLine returns the line of the request in the audit log, without its outcome; the zero value for a dry run.
func (q *request) auditLine(action string) audit.Line {
	if q.dryRun {
		return audit.Line{}
	}
	line := audit.Line{
		Time: time.Now().UTC(), Role: string(q.caller.Role), From: q.client.String(),
		Action: action, Subject: q.subject, Store: q.store, Operation: q.operation, Digest: q.digest,
		Reason: q.reason,
	}
	if q.caller.Identity != (identity.Identity{}) { // a server that joins has none
		line.Who = q.caller.Identity.String()
	}
	return line
}

// flag returns a boolean parameter; false if it is absent.
func (q *request) flag(name string) (bool, error) {
	switch value := q.query.Get(name); {
	case !q.query.Has(name), value == "false":
		return false, nil
	case value == "true":
		return true, nil
	default:
		return false, wire.Refuse(wire.CodeBadRequest, "parameter %s: got %s, want true or false", name, quoted(value))
	}
}

// nameList returns a parameter that holds names, separated by commas; none if it is absent.
func (q *request) nameList(name string) ([]string, error) {
	if !q.query.Has(name) {
		return nil, nil
	}
	names := strings.Split(q.query.Get(name), ",")
	for _, n := range names {
		if err := wire.CheckName(n); err != nil {
			return nil, wire.Refuse(wire.CodeBadName, "parameter %s: a name %w", name, err)
		}
	}
	return names, nil
}

// number returns an integer parameter from low to high; standard if it is absent.
func (q *request) number(name string, standard, low, high uint64) (uint64, error) {
	if !q.query.Has(name) {
		return standard, nil
	}
	value := q.query.Get(name)
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n < low || n > high {
		return 0, wire.Refuse(wire.CodeBadRequest, "parameter %s: got %s, want a whole number from %d to %d", name, quoted(value), low, high)
	}
	return n, nil
}
