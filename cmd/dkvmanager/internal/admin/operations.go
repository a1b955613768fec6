package admin

import (
	"context"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// prepare votes for a change of a store. In a dry run it returns what would prevent the change.
func (a *API) prepare(req *request) (any, error) {
	if err := a.checkRecipient(req); err != nil {
		return nil, err
	}
	var body wire.Operation
	if err := decode(req.body, &body); err != nil {
		return nil, err
	}
	if !isUUID(body.ID) {
		return nil, wire.Refuse(wire.CodeBadRequest, "id: got %s, want a UUID in lower case", quoted(body.ID))
	}
	req.operation = body.ID
	if body.Creation != "" && !derivedID.MatchString(body.Creation) && !isUUID(body.Creation) {
		return nil, wire.Refuse(wire.CodeBadRequest, "creation: got %s, want a UUID in lower case", quoted(body.Creation))
	}
	if req.dryRun = body.DryRun; req.dryRun {
		return a.participant.Preflight(body)
	}
	if err := wire.CheckName(body.Store); err != nil {
		return nil, wire.Refuse(wire.CodeBadName, "store: %w", err)
	}
	// The lock excludes an instance that is just being started.
	release, err := a.locks.take(body.Store, "")
	if err != nil {
		return nil, err
	}
	defer release()
	return a.participant.Prepare(body)
}

func (a *API) listOperations(*request) (any, error) { return a.participant.Operations(), nil }

func (a *API) getOperation(req *request) (any, error) { return a.participant.Operation(req.operation) }

// commit responds for a removed store when its processes and folders are gone. If the request ends before that, the
// supervisor completes the removal later: the operation stays committed.
func (a *API) commit(req *request) (any, error) {
	if err := a.checkRecipient(req); err != nil {
		return nil, err
	}
	epoch, err := req.number("epoch", 0, 1, math.MaxUint64)
	if err != nil {
		return nil, err
	}
	op, err := a.participant.Commit(req.operation, epoch)
	if err != nil {
		return nil, err
	}
	if op.Action == wire.RemoveStoreAction && a.Catalog.Snapshot().Stores[op.Store] == nil {
		if err := a.Supervisor.Remove(context.WithoutCancel(req.ctx), op.Store); err != nil {
			a.Log.Warn("the folders of a removed store are not deleted yet", "store", op.Store, "error", err)
		}
	}
	return op, nil
}

func (a *API) abort(req *request) (any, error) {
	if err := a.checkRecipient(req); err != nil {
		return nil, err
	}
	var body wire.AbortRequest
	if err := decode(req.body, &body); err != nil {
		return nil, err
	}
	return a.participant.Abort(req.operation, body)
}

func (a *API) renew(req *request) (any, error) {
	if err := a.checkRecipient(req); err != nil {
		return nil, err
	}
	return a.participant.Renew(req.operation)
}

// resolveTimeout bounds the queries to other managers for one request.
const resolveTimeout = 5 * time.Second

// resolve resolves at once: it asks the store's coordinator about the prepared operation, and takes a configuration
// that it missed.
func (a *API) resolve(req *request) (any, error) {
	if err := a.checkRecipient(req); err != nil {
		return nil, err
	}
	coordinator := req.query.Get("home")
	if coordinator != "" {
		if err := wire.CheckURL(coordinator); err != nil {
			return nil, wire.Refuse(wire.CodeBadRequest, "parameter home: %w", err)
		}
	}
	leave, err := a.waiting.enter(req.client)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(req.ctx, resolveTimeout)
	defer cancel()
	if coordinator != "" && !namedInCatalog(a.Catalog.Snapshot(), coordinator) {
		introduced := a.waiting.introduce()
		if introduced {
			defer a.waiting.introduced()
		}
		if !introduced || !a.mayIntroduce(ctx, req, coordinator) {
			coordinator = ""
		}
	}
	return a.participant.ResolveStore(ctx, req.store, coordinator)
}

// A manager queries the manager at a URL that a client gave only if a store or a vote of the catalog names the same
// URL, or if the client is the manager itself; if it is secured, only if the client is a manager. Otherwise any client
// could make it connect to any address. A client that is no manager loses nothing, and one that comes while others are
// asked loses little: the store's coordinator gives its own URL every minute.

// namedInCatalog reports whether a store or a vote names a manager with this URL.
func namedInCatalog(d *catalog.Data, given string) bool {
	names := func(m wire.Manager) bool { return m.URL == given }
	for _, s := range d.Stores {
		if slices.ContainsFunc(s.Managers, names) {
			return true
		}
	}
	for _, n := range d.Names {
		if n.Prepared != nil && slices.ContainsFunc(n.Prepared.Managers, names) {
			return true
		}
	}
	return false
}

// mayIntroduce reports whether a request may name a manager that the catalog does not know. At a secured manager the
// request has to come from a manager; others have to answer with a manager's certificate there.
func (a *API) mayIntroduce(ctx context.Context, req *request, coordinator string) bool {
	if a.Member != nil {
		return req.caller.Role == identity.ManagerRole
	}
	return isClient(ctx, coordinator, req.client)
}

// isClient reports whether the host of a URL has the address of a client.
func isClient(ctx context.Context, given string, client netip.Addr) bool {
	u, err := url.Parse(given)
	if err != nil {
		return false
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return ip.Unmap() == client
	}
	// A name without an address matches no client.
	addresses, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	return slices.ContainsFunc(addresses, func(ip netip.Addr) bool { return ip.Unmap() == client })
}

func (a *API) fence(req *request) (any, error) {
	var body wire.FenceRequest
	if err := a.repairBody(req, &body, &body.Lost); err != nil {
		return nil, err
	}
	leave, err := a.waiting.enter(req.client)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(req.ctx, resolveTimeout)
	defer cancel()
	return a.participant.FenceCoordinator(ctx, req.store, body)
}

func (a *API) decide(req *request) (any, error) {
	var body wire.DecideRequest
	if err := a.repairBody(req, &body, &body.Lost); err != nil {
		return nil, err
	}
	return a.participant.ReplaceCoordinator(req.store, body)
}

// heal carries out what a person has decided about an operation of this suspect coordinator.
func (a *API) heal(req *request) (any, error) {
	if err := a.checkRecipient(req); err != nil {
		return nil, err
	}
	var body wire.HealRequest
	if err := decode(req.body, &body); err != nil {
		return nil, err
	}
	if body.Decide != wire.DecideMake && body.Decide != wire.DecideDrop {
		return nil, wire.Refuse(wire.CodeBadRequest, "decide: got %s, want %s or %s", quoted(body.Decide), wire.DecideMake, wire.DecideDrop)
	}
	req.operation = body.Operation.ID
	leave, err := a.waiting.enter(req.client)
	if err != nil {
		return nil, err
	}
	defer leave()
	release, err := a.locks.take(req.store, "")
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(req.ctx, resolveTimeout)
	defer cancel()
	return a.participant.Heal(ctx, req.store, body)
}

func (a *API) repairBody(req *request, body any, lost *string) error {
	if err := a.checkRecipient(req); err != nil {
		return err
	}
	if err := decode(req.body, body); err != nil {
		return err
	}
	if err := wire.CheckIdentity(*lost); err != nil {
		return wire.Refuse(wire.CodeBadRequest, "lost: %w: give the identity of the manager that is gone for good", err)
	}
	return nil
}

// changeMember changes the members of a running store for an instance of another manager, which can't reach a voter
// itself. Whoever sends the request, it has an effect only if that manager asks for the step at this moment, which
// it shows in its state, and if the topology here calls for it.
func (a *API) changeMember(req *request) (any, error) {
	if err := a.checkRecipient(req); err != nil {
		return nil, err
	}
	var body wire.ChangeMember
	if err := decode(req.body, &body); err != nil {
		return nil, err
	}
	if err := wire.CheckName(body.Instance); err != nil {
		return nil, wire.Refuse(wire.CodeBadName, "instance: %w", err)
	}
	if !slices.Contains(wire.MemberSteps, body.Step) {
		return nil, wire.Refuse(wire.CodeBadRequest, "step: got %s, want one of %s",
			quoted(string(body.Step)), stepNames())
	}
	d := a.Catalog.Snapshot()
	s, err := find(d, req.store)
	if err != nil {
		return nil, err
	}
	if d.Name(s.Name).DeclaredLost {
		return nil, wire.RefuseDeclaredLost.With(s.Name)
	}
	leave, err := a.waiting.enter(req.client)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(req.ctx, resolveTimeout)
	defer cancel()
	ask, err := askedBy(ctx, a.Peers, d, s, req.query.Get("from"), body)
	if err != nil {
		return nil, err
	}
	if why := notCalledHere(d, s, ask); why != "" {
		return nil, wire.RefuseNotCalledFor.With(body.Step, body.Instance, why)
	}
	members, changed, err := a.Supervisor.ChangeMember(ctx, s.Name, *ask)
	if err != nil {
		return nil, err
	}
	if changed {
		a.Log.Info("members of the running store changed", "store", s.Name, "step", body.Step, "instance", body.Instance,
			"manager", req.query.Get("from"), "client", req.client)
	}
	return wire.Members{Manager: a.Catalog.Identity(), Store: s.Name, Members: members}, nil
}

// checkRecipient refuses a request that is meant for another manager: one with a new disk may respond under an old
// address.
func (a *API) checkRecipient(req *request) error {
	if to := req.query.Get("to"); to != a.Catalog.Identity() {
		return wire.RefuseWrongManager.With(a.Catalog.Identity())
	}
	return nil
}
