package etcd

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// leaderLimit bounds the search for the leader, and the wait for one voter to become it.
const leaderLimit = time.Second

// membership reads and changes the members of one store.
type membership struct {
	client *clientv3.Client
	local  bool // the client uses the socket of an instance on this server, and no other instance
}

func (etcd) Dial(bind string, endpoints []string, secure *engine.Secure) (engine.MemberReader, error) {
	client, err := dial(bind, endpoints, secure)
	if err != nil {
		return nil, fmt.Errorf("reach the store: %w", err)
	}
	return membership{client: client}, nil
}

func (etcd) DialLocal(folder string) (engine.Membership, error) {
	client, err := dialSocket(folder)
	if err != nil {
		return nil, fmt.Errorf("reach the instance in %s: %w", folder, err)
	}
	return membership{client: client, local: true}, nil
}

// list reads the members, which needs the store's quorum.
func (m membership) list(ctx context.Context) ([]*pb.Member, error) {
	if !m.local {
		return followMembers(ctx, m.client)
	}
	resp, err := m.client.MemberList(ctx)
	if err != nil {
		return nil, err
	}
	return resp.Members, nil
}

func (m membership) Close() error { return m.client.Close() }

func (m membership) Members(ctx context.Context) ([]engine.Member, error) {
	list, err := m.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("members of the store: %w", explained(err))
	}
	leader := m.leader(ctx)
	members := make([]engine.Member, len(list))
	for i, member := range list {
		members[i] = engine.Member{
			ID:      member.ID,
			Name:    member.Name,
			Address: address(member.PeerURLs),
			Learner: member.IsLearner,
			Leader:  member.ID == leader,
		}
	}
	return members, nil
}

// leader returns the leader's id, or 0 if it is unknown.
func (m membership) leader(ctx context.Context) uint64 {
	ctx, cancel := context.WithTimeout(ctx, leaderLimit)
	defer cancel()
	status, err := pb.NewMaintenanceClient(m.client.ActiveConnection()).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return 0
	}
	return status.Leader
}

// Add changes nothing if the instance is a member already. The cluster ports of one store all speak TLS, or none does.
func (m membership) Add(ctx context.Context, at string) error {
	list, err := m.list(ctx)
	if err != nil {
		return fmt.Errorf("add %s to the store: %w", at, explained(err))
	}
	if slices.ContainsFunc(list, func(member *pb.Member) bool { return address(member.PeerURLs) == at }) {
		return nil
	}
	secured := slices.ContainsFunc(list, func(member *pb.Member) bool {
		return slices.ContainsFunc(member.PeerURLs, func(url string) bool { return strings.HasPrefix(url, "https:") })
	})
	if _, err := m.client.MemberAddAsLearner(ctx, []string{scheme(secured) + "://" + at}); err != nil {
		return fmt.Errorf("add %s to the store: %w", at, explained(err))
	}
	return nil
}

// Promote changes nothing if the member is a voter.
func (m membership) Promote(ctx context.Context, id uint64) error {
	list, err := m.list(ctx)
	if err != nil {
		return fmt.Errorf("promote member %x: %w", id, explained(err))
	}
	if i := index(list, id); i >= 0 && !list[i].IsLearner {
		return nil
	}
	if _, err := m.client.MemberPromote(ctx, id); err != nil {
		return fmt.Errorf("promote member %x: %w", id, explained(err))
	}
	return nil
}

// Remove changes nothing if there is no such member.
func (m membership) Remove(ctx context.Context, id uint64) error {
	list, err := m.list(ctx)
	if err != nil {
		return fmt.Errorf("remove member %x: %w", id, explained(err))
	}
	i := index(list, id)
	if i < 0 {
		return nil
	}
	if m.leader(ctx) == id {
		m.moveLeader(ctx, list, list[i])
	}
	if _, err := m.client.MemberRemove(ctx, id); err != nil {
		return fmt.Errorf("remove member %x: %w", id, explained(err))
	}
	return nil
}

func index(list []*pb.Member, id uint64) int {
	return slices.IndexFunc(list, func(member *pb.Member) bool { return member.ID == id })
}

// moveLeader transfers the leadership to the first other voter that accepts it, if the instance of this membership is
// the leader: only that can. Otherwise, or if no voter accepts it, the store elects a leader after the removal, within
// a second or two.
func (m membership) moveLeader(ctx context.Context, list []*pb.Member, leader *pb.Member) {
	for _, other := range list {
		if other.ID == leader.ID || other.IsLearner || other.Name == "" {
			continue
		}
		moving, cancel := context.WithTimeout(ctx, leaderLimit)
		_, err := m.client.MoveLeader(moving, other.ID)
		cancel()
		if err == nil {
			return
		}
	}
}

// address returns host:port of a peer URL.
func address(urls []string) string {
	for _, text := range urls {
		if u, err := url.Parse(text); err == nil {
			return u.Host
		}
	}
	return ""
}
