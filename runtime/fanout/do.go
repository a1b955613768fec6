package fanout

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

var errFailFast = errors.New("another request failed")

// Do sends the requests and returns their answers in the same order, when all are complete. When ctx ends, requests in
// flight are cancelled at once and the others are skipped.
func (c *Client) Do(ctx context.Context, requests []Request, options Options) []Answer {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &batch{
		client: c, requests: requests, options: options, cancel: cancel,
		answers: make([]Answer, len(requests)), drained: make(chan struct{}),
	}
	s.left.Store(c.total)
	parallel := options.Parallel
	if parallel <= 0 {
		parallel = maxParallel()
	}
	s.flights = make([]flight, max(1, min(parallel, len(requests))))
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

// batch is one call of Do.
type batch struct {
	client   *Client
	requests []Request
	options  Options
	cancel   context.CancelCauseFunc
	flights  []flight // one per worker
	wg       sync.WaitGroup
	next     atomic.Int64
	left     atomic.Int64  // bytes of body that the remaining answers may have together
	drained  chan struct{} // closed when a worker has taken the last request

	mu      sync.Mutex // held while an answer is recorded
	answers []Answer
}

func (s *batch) work(ctx context.Context, f *flight) {
	for {
		i := int(s.next.Add(1)) - 1
		if i >= len(s.requests) {
			if i == len(s.requests) {
				close(s.drained)
			}
			return
		}
		s.record(s.answer(ctx, f, i))
	}
}

func (s *batch) answer(ctx context.Context, f *flight, i int) Answer {
	r := &s.requests[i]
	if ctx.Err() != nil {
		return Answer{Index: i, Err: skipped(r.Endpoint, context.Cause(ctx))}
	}
	began := time.Now()
	a := s.client.exchange(ctx, f, r, s.limits(r))
	a.Index = i
	a.Duration = time.Since(began)
	if s.client.answered != nil {
		s.client.answered(*r, a)
	}
	return a
}

// limits are the time limits of one request, and the limit in bytes of all bodies together with what is left of it.
type limits struct {
	answer, connect time.Duration
	total           int64
	left            *atomic.Int64
}

func (s *batch) limits(r *Request) limits {
	l := limits{r.Timeout, s.options.ConnectTimeout, s.client.total, &s.left}
	if l.answer <= 0 {
		l.answer = s.options.Timeout
	}
	if l.answer <= 0 {
		l.answer = defaultTimeout
	}
	if l.connect <= 0 {
		l.connect = DefaultConnectTimeout
	}
	l.connect = min(l.connect, l.answer)
	return l
}

// record stores an answer. With FailFast it cancels the batch before this worker takes its next request, so that with
// Parallel 1 nothing is sent after a failure.
func (s *batch) record(a Answer) {
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
