package admin

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

func stepNames() string {
	names := make([]string, len(wire.MemberSteps))
	for i, step := range wire.MemberSteps {
		names[i] = string(step)
	}
	return strings.Join(names, ", ")
}

// askedBy returns the step as the manager of the instance describes it, or a refusal. It connects to a manager that
// keeps the store, and to nothing else.
func askedBy(ctx context.Context, peers twophase.Peers, d *catalog.Data, s *catalog.Store, from string,
	body wire.ChangeMember) (*wire.MemberAsk, error) {
	refuse := func(format string, args ...any) error {
		return wire.RefuseNotCalledFor.With(body.Step, body.Instance, fmt.Errorf(format, args...))
	}
	i := slices.IndexFunc(s.Managers, func(m wire.Manager) bool { return m.Identity == from })
	if i < 0 || slices.Contains(d.Name(s.Name).Fenced, from) {
		return nil, refuse("manager %s does not keep %s: the parameter from names the instance's own manager", quoted(from), s.Name)
	}
	there, err := peers.State(ctx, s.Managers[i].URL, s.Name, wire.StateQuestion{})
	if err != nil {
		return nil, refuse("%w", err)
	}
	if there.Manager != from {
		return nil, refuse("%s is another manager now", s.Managers[i].URL)
	}
	ask := there.Asked(body)
	if ask == nil {
		return nil, refuse("manager %s does not ask for it", from)
	}
	return ask, nil
}

// notCalledHere returns why a step does not follow from what this manager has of the store, or "". A prepared operation
// may be committed already at another manager, so the step must follow from its topology, too.
func notCalledHere(d *catalog.Data, s *catalog.Store, ask *wire.MemberAsk) string {
	why := notCalledFor(s.Nodes, ask)
	if p := d.Name(s.Name).Prepared; why == "" && p != nil {
		why = notCalledFor(p.Nodes, ask)
	}
	return why
}

// notCalledFor returns why a step does not follow from a topology, or "".
func notCalledFor(nodes []wire.Node, ask *wire.MemberAsk) string {
	address := clusterAddress(ask.Node)
	i := slices.IndexFunc(nodes, func(n wire.Node) bool {
		return n.Role == wire.Data && strings.EqualFold(clusterAddress(n), address)
	})
	has := i >= 0 && nodes[i].Name == ask.Node.Name
	joins := ask.Step == wire.AddMember || ask.Step == wire.PromoteMember
	switch {
	case i >= 0 && !has:
		return fmt.Sprintf("the topology has %s at %s", nodes[i].Name, address)
	case joins && !has:
		return fmt.Sprintf("the topology has no such data instance at %s", address)
	case ask.Step == wire.LeaveMember && has:
		return "the topology has it"
	}
	return ""
}

func clusterAddress(n wire.Node) string {
	return net.JoinHostPort(n.Host, strconv.Itoa(n.ClustronPort))
}
