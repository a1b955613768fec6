package fakemanager

import (
	"cmp"
	"net/http"
	"time"

	"dkvrun/runtime/wire"
)

func done(message string) *wire.Result {
	return &wire.Result{Success: true, StatusCode: http.StatusOK, Code: wire.CodeOK, Message: message}
}

func unchanged(message string) *wire.Result {
	return &wire.Result{Success: true, StatusCode: http.StatusOK, Code: wire.CodeUnchanged, Message: message}
}

// busy refuses an operation while another one of the store is prepared.
func busy(e *entry) *wire.Result {
	p := e.Prepared
	return wire.RefuseStoreBusy.With(p.Store, cmp.Or(p.Owner, "a runner"), p.Since.UTC().Format(time.RFC3339), p.Action, p.ID)
}

// supersededEpoch refuses an epoch at which the operation is no longer prepared.
func supersededEpoch(op *wire.OperationStatus, epoch uint64) *wire.Result {
	r := wire.RefuseSupersededEpoch.With(op.ID, op.Epoch, epoch)
	r.Epoch = op.Epoch
	return r
}
