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
	s := &sweep{
		client: c, requests: requests, options: options, cancel: cancel,
		answers: make([]Answer, len(requests)), drained: make(chan struct{}),
	}
	s.left.Store(c.total)
	most := options.Parallel
	if most <= 0 {
		most = carried()
	}
	s.flights = make([]flight, max(1, min(most, len(requests))))
	stop := context.AfterFunc(ctx, func() {
		for i := range s.flights {
			s.flights[i].abort()
		}
	})
	defer stop()

	first := len(s.flights)
	if options.Parallel <= 0 {
		first = min(first, firstParallel)
	}
	for i := 1; i < first; i++ {
		s.wg.Go(func() { s.work(ctx, &s.flights[i]) })
	}
	if first < len(s.flights) {
		s.wg.Go(func() { s.grow(ctx, first) })
	}
	s.work(ctx, &s.flights[0])
	s.wg.Wait()
	return s.answers
}

// sweep is one call of Do.
type sweep struct {
	client   *Client
	requests []Request
	options  Options
	cancel   context.CancelCauseFunc
	flights  []flight // one a worker
	wg       sync.WaitGroup
	next     atomic.Int64
	left     atomic.Int64  // bytes of body that may still come
	drained  chan struct{} // closed when every request has its worker

	mu      sync.Mutex // held while an answer is taken down
	answers []Answer
}

func (s *sweep) work(ctx context.Context, f *flight) {
	for {
		i := int(s.next.Add(1)) - 1
		if i >= len(s.requests) {
			if i == len(s.requests) {
				close(s.drained)
			}
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
	began := time.Now()
	a := s.client.exchange(ctx, f, r, s.limits(r))
	a.Index = i
	a.Duration = time.Since(began)
	if s.client.told != nil {
		s.client.told(*r, a)
	}
	return a
}

// limits are the times that one request may take, and the bytes of body that all may have and still have.
type limits struct {
	answer, connect time.Duration
	total           int64
	left            *atomic.Int64
}

func (s *sweep) limits(r *Request) limits {
	l := limits{r.Timeout, s.options.ConnectTimeout, s.client.total, &s.left}
	if l.answer <= 0 {
		l.answer = s.options.Timeout
	}
	if l.answer <= 0 {
		l.answer = DefaultTimeout
	}
	if l.connect <= 0 {
		l.connect = DefaultConnectTimeout
	}
	l.connect = min(l.connect, l.answer)
	return l
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
