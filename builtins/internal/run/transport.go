package run

import (
	"context"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/runtime/commit"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// transport sends the messages of an operation through the fan-out.
type transport struct {
	client   *fanout.Client
	managers []cluster.Member
	parallel int           // maximum number of requests at once, where they are sent in parallel; 0 for all
	timeout  time.Duration // of each answer
	connect  time.Duration
}

// Send implements commit.Transport.
func (t transport) Send(ctx context.Context, requests []commit.Request, how commit.Send) []commit.Reply {
	out := make([]fanout.Request, len(requests))
	var packed bodies
	for i, r := range requests {
		// All messages of an operation are idempotent.
		out[i] = fanout.Request{
			Endpoint: t.managers[r.To].Endpoint, Method: r.Method, Path: r.Path, Query: r.Query,
			Manager: t.managers[r.To].Identity(), Idempotent: true,
		}
		out[i].Body, out[i].Compressed = packed.of(r.Body)
	}
	replies := make([]commit.Reply, len(requests))
	read := func(a fanout.Answer) {
		replies[a.Index] = reply(t.managers[requests[a.Index].To], a)
		if how.Each != nil {
			how.Each(a.Index, replies[a.Index])
		}
	}
	options := fanout.Options{
		Parallel: 1, FailFast: how.FailFast, Timeout: t.timeout, ConnectTimeout: t.connect, OnAnswer: read,
	}
	if how.Parallel {
		options.Parallel = t.parallel
	}
	if how.Failed != nil {
		options.Failed = func(a fanout.Answer) bool { return how.Failed(reply(t.managers[requests[a.Index].To], a)) }
	}
	t.client.Do(ctx, out, options)
	return replies
}

// reply converts an answer for the driver. An answer beyond the limits of the protocol becomes a failure.
func reply(from cluster.Member, a fanout.Answer) commit.Reply {
	out := commit.Reply{Status: a.Status, Body: a.Body, Attempts: a.Attempts, Duration: a.Duration}
	if a.Err != nil {
		row := (&Request{manager: from}).Read(a)
		out.Class, out.Message = row.Code, row.Message
	} else if wrong := from.Disowned(a); wrong != "" {
		out.Invalid = wrong
	} else if wire.CheckElements(a.Body) != nil {
		row := cluster.Unreadable(from.Endpoint)
		out.Class, out.Message, out.Body = row.Code, row.Message, nil
	}
	return out
}

// Clock is the clock of this machine.
type Clock struct{}

// Now implements commit.Clock.
func (Clock) Now() time.Time { return time.Now() }

// Sleep implements commit.Clock.
func (Clock) Sleep(ctx context.Context, d time.Duration) error { return Pause(ctx, d) }

// Every implements commit.Clock.
func (Clock) Every(d time.Duration, f func()) (stop func()) {
	ticker := time.NewTicker(d)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				f()
			case <-done:
				return
			}
		}
	}()
	return func() { ticker.Stop(); close(done); <-ended }
}
