package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.uber.org/zap"
	"google.golang.org/grpc/status"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/hostid"
)

// Intervals of the readiness checks, and their timeouts.
const (
	unreadyInterval = 200 * time.Millisecond
	readyInterval   = time.Second
	answerLimit     = time.Second
	reachLimit      = 200 * time.Millisecond
)

// Reasons of both roles.
const (
	quotaFull = "the store's quota of 2 GiB is full and it takes reads only: remove keys, then compact and defragment it, " +
		"and disarm the alarm, with dkvmanager etcdctl on its servers"
	stopping = "the instance is stopping"
	corrupt  = "an instance of the store has found its data corrupt: read the instances' logs first"
)

// readiness checks whether a data instance serves reads and writes.
type readiness struct {
	server *etcdserver.EtcdServer
	spec   engine.Spec
	report *engine.Report
	probe  *probe
	logger *zap.Logger
}

// watch updates the condition until ctx is done.
func (r *readiness) watch(ctx context.Context) {
	poll(ctx, func() bool {
		c := r.condition(ctx)
		if ctx.Err() == nil {
			setCondition(r.report, r.logger, c)
		}
		return c.Ready
	})
	c := r.report.Condition()
	c.Ready, c.Reason = false, stopping
	setCondition(r.report, r.logger, c)
}

// poll calls look until ctx is done, less often while look reports true.
func poll(ctx context.Context, look func() (well bool)) {
	for {
		interval := unreadyInterval
		if look() {
			interval = readyInterval
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}

func (r *readiness) condition(ctx context.Context) engine.Condition {
	self := r.server.Cluster().Member(r.server.MemberID())
	if self == nil {
		return engine.Condition{Reason: "the instance has been removed from the store"}
	}
	c := engine.Condition{
		Leader:  r.server.Leader() == r.server.MemberID(),
		Learner: self.IsLearner,
	}
	select {
	case <-r.server.ReadyNotify():
		// The instance has written its name through the raft log and applied that entry.
		c.Bootstrapped = true
	default:
	}
	c.Reason = r.reason(ctx, c)
	c.Ready = c.Reason == ""
	return c
}

// reason returns why the instance isn't ready, or "".
func (r *readiness) reason(ctx context.Context, c engine.Condition) string {
	switch {
	case r.server.Leader() == 0 && !c.Bootstrapped && r.spec.Start == engine.Found:
		return r.noLeader(ctx, "founders")
	case r.server.Leader() == 0 && !c.Bootstrapped:
		return r.noLeader(ctx, "data instances")
	case !c.Bootstrapped:
		return "the instance is announcing itself to the store"
	case c.Learner:
		return "the instance is copying the store's data and has no vote yet"
	}
	var alarms []string
	for _, a := range r.server.Alarms() {
		alarms = append(alarms, a.String())
	}
	if reason := alarmReason(alarms); reason != "" {
		return reason
	}
	err := readAfterElections(ctx, r.leadership, func(ctx context.Context) error {
		_, err := r.probe.read(ctx)
		return err
	})
	switch {
	case err == nil:
		return ""
	case needsUser(err):
		return usersOnly
	case r.server.Leader() == 0:
		return r.noLeader(ctx, "data instances")
	case unreachable(err):
		return fmt.Sprintf("the instance does not answer on its client port %d: %s", r.spec.ClientPort, status.Convert(err).Message())
	default:
		return fmt.Sprintf("the store's leader did not confirm a read within %v: too few of its data instances can be reached", answerLimit)
	}
}

// maxElections bounds how often readAfterElections repeats a read.
const maxElections = 5

// leadership is the state of the election of a leader, as an instance knows it.
type leadership struct {
	term   uint64
	leader types.ID // 0 for none
}

func (r *readiness) leadership() leadership { return leadership{r.server.Term(), r.server.Leader()} }

// readAfterElections makes a read within answerLimit, and repeats it if it failed and the store has elected a leader
// meanwhile. The engine fails the reads in flight when the leader changes, and one that began without a leader may time
// out after it: neither says that the store does not answer now. Without the repetition an instance that has been ready
// all the time would not be ready for an instant after all others are.
func readAfterElections(ctx context.Context, now func() leadership, read func(context.Context) error) (err error) {
	for range maxElections {
		before := now()
		reading, cancel := context.WithTimeout(ctx, answerLimit)
		err = read(reading)
		cancel()
		if err == nil || ctx.Err() != nil || now() == before && !errors.Is(rpctypes.Error(err), rpctypes.ErrLeaderChanged) {
			break
		}
	}
	return err
}

// alarmReason returns the reason for a list of etcd's alarms in their text form, or "".
func alarmReason(alarms []string) string {
	for _, text := range alarms {
		switch {
		case strings.Contains(text, etcdserverpb.AlarmType_NOSPACE.String()):
			return quotaFull
		case strings.Contains(text, etcdserverpb.AlarmType_CORRUPT.String()):
			return corrupt
		}
	}
	return ""
}

// noLeader returns a reason with the number of voters that are up. what names the voters.
func (r *readiness) noLeader(ctx context.Context, what string) string {
	voters, up := 0, 0
	for _, m := range r.server.Cluster().Members() {
		if m.IsLearner {
			continue
		}
		voters++
		if m.ID == r.server.MemberID() || reachable(ctx, r.spec.Bind, m.PeerURLs) {
			up++
		}
	}
	if up > voters/2 {
		return fmt.Sprintf("the store is electing a leader: %d of %d %s are up", up, voters, what)
	}
	return fmt.Sprintf("waiting for the other %s: %d of %d are up, %d are needed", what, up, voters, voters/2+1)
}

func reachable(ctx context.Context, bind string, urls []string) bool {
	dialer := hostid.Dialer(bind)
	dialer.Timeout = reachLimit
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		conn, err := dialer.DialContext(ctx, "tcp", u.Host)
		if err == nil {
			conn.Close()
			return true
		}
	}
	return false
}
