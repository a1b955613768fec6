package admin

import (
	"errors"
	"log/slog"
	"net/http"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// audited handles a request, and writes what it changed to the audit log before it is answered. A request that was
// refused, and one that had nothing to do, changed nothing.
//
// A change for whose line the disk has no room is refused. Only those that complete an operation which others may have
// committed are not: their line may be missing.
func audited(log *slog.Logger, file *audit.Log, route *route, action string, req *request,
	handle func() (any, error)) (any, error) {
	if file == nil || route.method == http.MethodGet || route.action == "Renew" {
		return handle()
	}
	if err := file.Reserve(); err != nil && !completing[route.action] {
		return nil, wire.RefuseAuditUnwritable.With(file.Path(), err)
	}
	value, err := handle()
	line := req.auditLine(action)
	if line.Outcome = outcomeOf(value, err); line.Outcome == "" || line.Action == "" {
		return value, err
	}
	if op, ok := value.(wire.OperationStatus); ok {
		line.Store, line.Digest = op.Store, op.Digest
	}
	if failed := file.Append(line); failed != nil {
		log.Error("a line of the audit log is missing", "error", failed, "who", line.Who, "action", action, "store", line.Store,
			"outcome", line.Outcome, "reason", line.Reason)
	} else {
		log.Info("audit", "who", line.Who, "role", line.Role, "from", line.From, "action", action, "store", line.Store,
			"operation", line.Operation, "outcome", line.Outcome, "reason", line.Reason)
	}
	return value, err
}

// withAudit returns an answer with the last line of the audit log, if it is one that other managers and repairs read:
// of queries for the state, of settle, fence and decide, and of those for the access log, which all members make all
// the time.
func withAudit(file *audit.Log, value any) any {
	if file == nil {
		return value
	}
	head := file.Head()
	switch v := value.(type) {
	case wire.StoreState:
		v.Audit = &head
		return v
	case wire.Access:
		v.Audit = &head
		return v
	}
	return value
}

// completing lists the actions that end an operation, or a coordinator replacement.
var completing = map[string]bool{"Commit": true, "Abort": true, "Decide": true, "Heal": true}

// outcomeOf returns the outcome of a request for the audit log, or "" if it changed nothing.
func outcomeOf(value any, err error) string {
	var r *wire.Result
	switch {
	case errors.As(err, &r) && isRefusal(r), err == nil && asUnchanged(value):
		return ""
	case r != nil:
		return r.Code
	case err != nil:
		return wire.CodeInternal
	}
	switch v := value.(type) {
	case *wire.Result:
		return v.Code
	case wire.OperationStatus:
		return string(v.State)
	}
	return wire.CodeOK
}

// isRefusal reports whether a failure says that nothing was changed. After other ones something may have been.
func isRefusal(r *wire.Result) bool {
	return r.StatusCode < http.StatusInternalServerError || r.Code == wire.CodeTooBusy || r.Code == wire.CodeSuspect
}

func asUnchanged(value any) bool {
	r, ok := value.(*wire.Result)
	return ok && r.Code == wire.CodeUnchanged
}

// logChanges logs how a change of the catalog changed the stores, and who requested it if that is known.
func logChanges(log *slog.Logger, before, after *catalog.Data) {
	for name, s := range after.Stores {
		was := before.Stores[name]
		switch {
		case was == nil:
			log.Info("store created", append(requestedBy(before, name), "revision", s.Revision, "instances", len(s.Nodes))...)
		case was.Revision != s.Revision:
			log.Info("store changed", append(requestedBy(before, name), "revision", s.Revision, "instances", len(s.Nodes))...)
		}
	}
	for name := range before.Stores {
		if after.Stores[name] == nil {
			log.Info("store removed", requestedBy(before, name)...)
		}
	}
}

// requestedBy returns log attributes: the store and, for an operation of all managers, its id and owner.
func requestedBy(before *catalog.Data, store string) []any {
	attributes := []any{"store", store}
	if p := before.Name(store).Prepared; p != nil {
		attributes = append(attributes, "operation", p.ID, "by", p.Owner)
	}
	return attributes
}
