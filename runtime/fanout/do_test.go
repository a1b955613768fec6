package fanout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

func TestDo_AnswersInRequestOrder(t *testing.T) {
	noLeaks(t)
	first := make(chan struct{})
	var list []Request
	for i := range 40 {
		s := serve(t, fmt.Sprintf("127.24.0.%d", i+1), requests(func(c net.Conn, r *http.Request, body []byte) {
			if i == 0 {
				<-first // the first server answers last
			}
			reply(c, 200+i, fmt.Sprintf("%s %s %s", r.Method, r.URL, body))
		}))
		list = append(list, Request{Endpoint: s.Endpoint, Method: "POST", Path: "/x/%2e%2e", Query: "n=1", Body: []byte(`{"a":1}`)})
	}
	var arrived []int
	answers := client(t).Do(context.Background(), list, Options{OnAnswer: func(a Answer) {
		if arrived = append(arrived, a.Index); len(arrived) == len(list)-1 {
			close(first)
		}
	}})
	for i, a := range answers {
		if a.Err != nil || a.Index != i || a.Status != 200+i || a.Attempts != 1 || a.Duration <= 0 {
			t.Errorf("answer %d: %+v", i, a)
		}
		if want := `POST /x/%2e%2e?n=1 {"a":1}`; string(a.Body) != want && a.Status != 204 && a.Status != 205 {
			t.Errorf("answer %d: body %q, want %q", i, a.Body, want)
		}
	}
	if len(arrived) != len(list) || arrived[len(arrived)-1] != 0 {
		t.Errorf("answers came in as %v, want each once and 0 last", arrived)
	}
}

func TestDo_OneByOne(t *testing.T) {
	noLeaks(t)
	var inFlight, most atomic.Int32
	var list []Request
	for i := range 8 {
		s := serve(t, fmt.Sprintf("127.24.0.%d", i+1), requests(func(c net.Conn, _ *http.Request, _ []byte) {
			if n := inFlight.Add(1); n > most.Load() {
				most.Store(n)
			}
			inFlight.Add(-1)
			reply(c, 200, "")
		}))
		list = append(list, get(s.Endpoint))
	}
	var order []int
	client(t).Do(context.Background(), list,
		Options{Parallel: 1, OnAnswer: func(a Answer) { order = append(order, a.Index) }})
	if fmt.Sprint(order) != "[0 1 2 3 4 5 6 7]" || most.Load() != 1 {
		t.Errorf("order %v, up to %d in flight", order, most.Load())
	}
}

func TestDo_ParallelBounded(t *testing.T) {
	noLeaks(t)
	var inFlight, asked atomic.Int32
	full := make(chan struct{})
	s := serve(t, "127.24.0.1", requests(func(c net.Conn, _ *http.Request, _ []byte) {
		if n := inFlight.Add(1); n > 4 {
			t.Errorf("%d requests in flight, want 4 at most", n)
		}
		if asked.Add(1) == 4 {
			close(full)
		}
		<-full // until four requests are in flight
		inFlight.Add(-1)
		reply(c, 200, "")
	}))
	list := make([]Request, 20)
	for i := range list {
		list[i] = get(s.Endpoint)
	}
	for _, a := range client(t).Do(context.Background(), list, Options{Parallel: 4}) {
		if a.Err != nil {
			t.Error(a.Err)
		}
	}
}

func TestDo_NoRequests(t *testing.T) {
	if got := client(t).Do(context.Background(), nil, Options{}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestDo_FailFastOneByOne(t *testing.T) {
	noLeaks(t)
	good := serve(t, "127.24.0.1", text("ok"))
	bad := serve(t, "127.24.0.2", requests(func(c net.Conn, _ *http.Request, _ []byte) { reply(c, 409, "no") }))
	rest := serve(t, "127.24.0.3", text("ok"))
	list := []Request{get(good.Endpoint), get(bad.Endpoint), get(rest.Endpoint), get(rest.Endpoint)}
	seen := 0
	answers := client(t).Do(context.Background(), list,
		Options{Parallel: 1, FailFast: true, OnAnswer: func(Answer) { seen++ }})
	if answers[0].Status != 200 || answers[1].Status != 409 || answers[1].Err != nil {
		t.Errorf("the first two: %+v", answers[:2])
	}
	for _, a := range answers[2:] {
		if a.Err == nil || a.Err.Class != Skipped || a.Attempts != 0 || a.Err.Sent {
			t.Errorf("after the failure: %+v", a)
		} else if want := rest.String() + ": not tried: another request failed first"; a.Err.Message != want {
			t.Errorf("got %q, want %q", a.Err.Message, want)
		}
	}
	if seen != 4 || rest.accepted() != 0 {
		t.Errorf("%d answers told, %d connections to the rest", seen, rest.accepted())
	}
}

func TestDo_FailFastCancelsInFlight(t *testing.T) {
	noLeaks(t)
	arrived := make(chan struct{}, 8)
	hang := serve(t, "127.24.0.1", func(c net.Conn) {
		c.Read(make([]byte, 1))
		arrived <- struct{}{}
		for _, err := c.Read(make([]byte, 4096)); err == nil; _, err = c.Read(make([]byte, 4096)) {
		}
	})
	bad := serve(t, "127.24.0.2", requests(func(c net.Conn, _ *http.Request, _ []byte) {
		<-arrived
		<-arrived
		reply(c, 500, "")
	}))
	list := []Request{get(hang.Endpoint), get(hang.Endpoint), get(bad.Endpoint), get(hang.Endpoint), get(hang.Endpoint)}
	began := time.Now()
	answers := client(t).Do(context.Background(), list, Options{Parallel: 3, FailFast: true})
	for _, i := range []int{0, 1} {
		if e := answers[i].Err; e == nil || e.Class != Cancelled || !e.Sent {
			t.Errorf("in flight: %+v", answers[i])
		}
	}
	for _, i := range []int{3, 4} {
		if e := answers[i].Err; e == nil || e.Class != Skipped {
			t.Errorf("not begun: %+v", answers[i])
		}
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
}

func TestDo_FailedDecides(t *testing.T) {
	gone := serve(t, "127.24.0.1", requests(func(c net.Conn, _ *http.Request, _ []byte) { reply(c, 404, "") }))
	list := []Request{get(gone.Endpoint), get(gone.Endpoint)}
	answers := client(t).Do(context.Background(), list, Options{
		Parallel: 1, FailFast: true, Failed: func(a Answer) bool { return a.Err != nil || a.Status >= 500 },
	})
	if answers[1].Status != 404 {
		t.Errorf("stopped at a 404: %+v", answers[1])
	}
}

func TestDo_CancelClosesConnections(t *testing.T) {
	noLeaks(t)
	const n = 200
	arrived := make(chan struct{}, n)
	closed := make(chan struct{}, n)
	s := serve(t, "127.24.0.1", func(c net.Conn) {
		b := make([]byte, 4096)
		c.Read(b)
		arrived <- struct{}{}
		c.Read(b) // returns when the client closes
		closed <- struct{}{}
	})
	list := make([]Request, n+1)
	for i := range list {
		list[i] = get(s.Endpoint)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan []Answer)
	go func() { done <- client(t).Do(ctx, list, Options{Parallel: n}) }()
	for range n {
		<-arrived
	}
	cancel()
	began := time.Now()
	answers := <-done
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("%d requests took %s to cancel", n, d)
	}
	for range n {
		<-closed
	}
	for i, a := range answers {
		want := Cancelled
		if i == n {
			want = Skipped
		}
		if a.Err == nil || a.Err.Class != want || !errors.Is(a.Err, context.Canceled) {
			t.Errorf("answer %d: %+v", i, a)
		}
	}
}

func TestDo_Deadline(t *testing.T) {
	s := serve(t, "127.24.0.1", func(c net.Conn) { c.Read(make([]byte, 4096)); c.Read(make([]byte, 1)) })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	a := client(t).Do(ctx, []Request{get(s.Endpoint)}, Options{})[0]
	if a.Err == nil || a.Err.Class != Cancelled || !errors.Is(a.Err, context.DeadlineExceeded) {
		t.Fatalf("%+v", a)
	}
	if want := s.String() + ": cancelled before the answer arrived: the time limit has passed"; a.Err.Message != want {
		t.Errorf("got %q", a.Err.Message)
	}
}

func TestDo_SharedBody(t *testing.T) {
	const n = 50
	body := bytes.Repeat([]byte("x"), 1<<20)
	want := bytes.Clone(body)
	var got atomic.Int32
	s := serve(t, "127.24.0.1", requests(func(c net.Conn, _ *http.Request, b []byte) {
		if bytes.Equal(b, want) {
			got.Add(1)
		}
		reply(c, 200, "")
	}))
	list := make([]Request, n)
	for i := range list {
		list[i] = Request{Endpoint: s.Endpoint, Method: "POST", Path: "/", Body: body}
	}
	client(t).Do(context.Background(), list, Options{})
	if got.Load() != n || !bytes.Equal(body, want) {
		t.Errorf("%d of %d bodies arrived whole", got.Load(), n)
	}
}
