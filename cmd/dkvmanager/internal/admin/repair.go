package admin

import (
	"context"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// settleTimeout bounds the queries to other managers for one request.
const settleTimeout = 5 * time.Second

// getState returns, for other managers and repairs, what this manager has of a store, even if it has no such store.
func (a *API) getState(req *request) (any, error) { return a.apply.State(req.store) }

// settle resolves at once: it asks the store's coordinator about the prepared operation and takes what was missed.
func (a *API) settle(req *request) (any, error) {
	if err := a.checkRecipient(req); err != nil {
		return nil, err
	}
	home := req.query.Get("home")
	if home != "" && !strings.HasPrefix(home, "http://") && !strings.HasPrefix(home, "https://") {
		return nil, wire.Refuse(wire.CodeBadRequest, "parameter home: got %s, want http://HOST:PORT", quoted(home))
	}
	ctx, cancel := context.WithTimeout(req.ctx, settleTimeout)
	defer cancel()
	return a.apply.ResolveStore(ctx, req.store, home)
}

func (a *API) fence(req *request) (any, error) {
	var body wire.FenceRequest
	if err := a.repairBody(req, &body, &body.Lost); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.ctx, settleTimeout)
	defer cancel()
	return a.apply.FenceCoordinator(ctx, req.store, body)
}

func (a *API) decide(req *request) (any, error) {
	var body wire.DecideRequest
	if err := a.repairBody(req, &body, &body.Lost); err != nil {
		return nil, err
	}
	return a.apply.ReplaceCoordinator(req.store, body)
}

func (a *API) repairBody(req *request, body any, readOnlyActions *string) error {
	if err := a.checkRecipient(req); err != nil {
		return err
	}
	if err := decode(req.body, body); err != nil {
		return err
	}
	if *readOnlyActions == "" {
		return wire.Refuse(wire.CodeBadRequest, "lost: is missing: give the identity of the manager that is gone for good")
	}
	return nil
}

// checkRecipient refuses a request that is meant for another manager: one with a new disk may respond under an old
// address.
func (a *API) checkRecipient(req *request) error {
	if to := req.query.Get("to"); to != a.Catalog.Identity() {
		return wire.RefuseWrongManager.With(a.Catalog.Identity())
	}
	return nil
}
