package fanout

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

var errFailFast = errors.New("another request failed")

// Do works off the requests and gives their answers in the same order. It returns when every answer is
// there. When ctx ends, what is in flight is cut off at once and the rest is skipped.
func (c *Client) Do(ctx context.Context, requests []Request, options Options) []Answer {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &sweep{client: c, requests: requests, options: options, cancel: cancel, answers: make([]Answer, len(requests))}
	workers := options.Parallel
	if workers <= 0 {
		workers = DefaultParallel
	}
	flights := make([]flight, max(1, min(workers, len(requests))))
	stop := context.AfterFunc(ctx, func() {
		for i := range flights {
			flights[i].abort()
		}
	})
	defer stop()

	var wg sync.WaitGroup
	for i := 1; i < len(flights); i++ {
		wg.Go(func() { s.work(ctx, &flights[i]) })
	}
	s.work(ctx, &flights[0])
	wg.Wait()
	return s.answers
}

// sweep is one call of Do.
type sweep struct {
	client   *Client
	requests []Request
	options  Options
	cancel   context.CancelCauseFunc
	next     atomic.Int64

	mu      sync.Mutex // held while an answer is taken down
	answers []Answer
}

func (s *sweep) work(ctx context.Context, f *flight) {
	for {
		i := int(s.next.Add(1)) - 1
		if i >= len(s.requests) {
			return
		}
		s.take(s.answer(ctx, f, i))
	}
}

func (s *sweep) answer(ctx context.Context, f *flight, i int) Answer {
	r := &s.requests[i]
	if ctx.Err() != nil {
		return Answer{Index: i, Err: skipped(r.Endpoint, context.Cause(ctx))}
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = s.options.Timeout
	}
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	began := time.Now()
	a := s.client.exchange(ctx, f, r, timeout)
	a.Index = i
	a.Duration = time.Since(began)
	return a
}

// take keeps an answer. With FailFast the work is stopped before this worker looks for its next
// request, so that one by one means: nothing is sent after a failure.
func (s *sweep) take(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[a.Index] = a
	if s.options.OnAnswer != nil {
		s.options.OnAnswer(a)
	}
	if !s.options.FailFast {
		return
	}
	failed := s.options.Failed
	if failed == nil {
		failed = func(a Answer) bool { return a.Err != nil || a.Status < 200 || a.Status > 299 }
	}
	if failed(a) {
		s.cancel(errFailFast)
	}
}
