package fakemanager

import (
	"fmt"
	"net/http"
	"time"

	"dkvrun/runtime/wire"
)

// statuses is the HTTP status of the codes that are not 409.
var statuses = map[string]int{
	wire.CodeBadRequest:        http.StatusBadRequest,
	wire.CodeBadName:           http.StatusBadRequest,
	wire.CodeBadTopology:       http.StatusBadRequest,
	wire.CodeNotFound:          http.StatusNotFound,
	wire.CodeStoreNotFound:     http.StatusNotFound,
	wire.CodeInstanceNotFound:  http.StatusNotFound,
	wire.CodeOperationNotFound: http.StatusNotFound,
	wire.CodeOperationDiffers:  http.StatusUnprocessableEntity,
	wire.CodeOperationAborted:  http.StatusGone,
	wire.CodeWrongManager:      http.StatusMisdirectedRequest,
}

func refuse(code, format string, args ...any) *wire.Result {
	status, listed := statuses[code]
	if !listed {
		status = http.StatusConflict
	}
	return &wire.Result{StatusCode: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func done(message string) *wire.Result {
	return &wire.Result{Success: true, StatusCode: http.StatusOK, Code: wire.CodeOK, Message: message}
}

func unchanged(message string) *wire.Result {
	return &wire.Result{Success: true, StatusCode: http.StatusOK, Code: wire.CodeUnchanged, Message: message}
}

// busy says who holds a store and since when.
func busy(e *entry) *wire.Result {
	p := e.Prepared
	r := refuse(wire.CodeStoreBusy, "%s is being changed by %s since %s (%s, operation %s)", p.Store, p.Owner, p.Since.Format(time.RFC3339), p.Action, p.ID)
	r.Hint = fmt.Sprintf("try again when it is done; repair_store(%q) settles what was left behind", p.Store)
	return r
}

func wrongManager(identity string) *wire.Result {
	return refuse(wire.CodeWrongManager, "this manager is %s, the request is for another one: connect again", identity)
}

func unknown(id string) *wire.Result {
	return refuse(wire.CodeOperationNotFound, "operation %s is not known here", id)
}

func aborted(id string) *wire.Result {
	return refuse(wire.CodeOperationAborted, "operation %s was undone, or its runner was silent for too long: nothing of it stays; repeat it", id)
}

func differs(id string) *wire.Result {
	return refuse(wire.CodeOperationDiffers, "operation %s is known with another content: make a new id", id)
}

// staleEpoch refuses an epoch that is over: seen is the one that the manager knows.
func staleEpoch(id string, seen uint64) *wire.Result {
	r := refuse(wire.CodeStaleEpoch, "operation %s is not of the latest epoch, which is %d: prepare it again everywhere, above that", id, seen)
	r.Epoch = seen
	return r
}
