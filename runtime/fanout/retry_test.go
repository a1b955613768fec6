package fanout

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A request to a restarting manager is tried again, even a POST, because nothing was sent. The time of the restart
// varies, so the test needs only one success in many attempts.
func TestRetry_Connect(t *testing.T) {
	noLeaks(t)
	for _, method := range []string{"GET", "POST"} {
		again := false
		for try := 0; try < 50 && !again; try++ {
			s := serve(t, "127.59.4.1", text("ok"))
			s.stop()
			back := make(chan *fake)
			time.AfterFunc(firstPause/5, func() { back <- serveAt(t, s.String(), text("back")) })
			a := client(t).Do(context.Background(), []Request{{Endpoint: s.Endpoint, Method: method, Path: "/"}}, Options{})[0]
			again = a.Err == nil && string(a.Body) == "back" && a.Attempts > 1
			f := <-back
			if f.accepted() > 1 {
				t.Errorf("%s: %d connections for one request", method, f.accepted())
			}
			f.stop()
		}
		if !again {
			t.Errorf("%s: never tried again", method)
		}
	}
}

func TestRetry_RefusedCountedAndTimed(t *testing.T) {
	s := serve(t, "127.59.4.2", text(""))
	s.stop()
	a := one(t, get(s.Endpoint))
	if a.Err == nil || a.Err.Class != Refused || a.Attempts != maxAttempts || a.Duration < firstPause/2 {
		t.Errorf("%+v, error %v", a, a.Err)
	}
	r := get(s.Endpoint)
	r.Timeout = firstPause / 4 // too short for a second attempt
	if a := one(t, r); a.Err == nil || a.Err.Class != Refused || a.Attempts != 1 {
		t.Errorf("%+v, error %v", a, a.Err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), firstPause/4)
	defer cancel()
	if a := client(t).Do(ctx, []Request{get(s.Endpoint)}, Options{})[0]; a.Err == nil || a.Err.Class != Cancelled ||
		a.Attempts != 1 {
		t.Errorf("cut off in a pause: %+v, error %v", a, a.Err)
	}
}

func TestRetry_TimeToConnect(t *testing.T) {
	noLeaks(t)
	e := fullListener(t)
	began := time.Now()
	a := client(t).Do(context.Background(), []Request{get(e)},
		Options{Timeout: time.Minute, ConnectTimeout: 100 * time.Millisecond})[0]
	if a.Err == nil || a.Err.Class != Timeout || a.Err.Sent || !strings.Contains(a.Err.Message, "no connection within 100ms") {
		t.Errorf("%+v, error %v", a, a.Err)
	}
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("took %s", d)
	}
	// It does not limit the time of the answer.
	slow := serve(t, "127.59.4.4", requests(func(c net.Conn, _ *http.Request, _ []byte) {
		time.Sleep(150 * time.Millisecond) // longer than ConnectTimeout: the pause is what the test is about
		reply(c, 200, "slow")
	}))
	a = client(t).Do(context.Background(), []Request{get(slow.Endpoint)},
		Options{ConnectTimeout: 100 * time.Millisecond})[0]
	if a.Err != nil || string(a.Body) != "slow" {
		t.Errorf("%+v, error %v", a, a.Err)
	}
}

func TestCompress_LargeBodies(t *testing.T) {
	small := []byte(strings.Repeat("a", compressFrom-1))
	if out, did := Compress(small); did || &out[0] != &small[0] {
		t.Error("a small body came back changed")
	}
	random := make([]byte, 2*compressFrom)
	rand.Read(random)
	if out, did := Compress(random); did || &out[0] != &random[0] {
		t.Error("a body without redundancy came back changed")
	}
	large := []byte(strings.Repeat(`{"name":"orders-1","host":"10.0.0.11"},`, 30000))
	packed, did := Compress(large)
	if !did || len(packed) > len(large)/10 {
		t.Fatalf("%d bytes of %d, %v", len(packed), len(large), did)
	}
	var wrong atomic.Int32
	s := serve(t, "127.59.4.5", requests(func(c net.Conn, r *http.Request, body []byte) {
		in, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
			wrong.Add(1)
		} else if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, large) {
			wrong.Add(1)
		}
		reply(c, 201, "")
	}))
	list := make([]Request, 20)
	for i := range list {
		list[i] = Request{Endpoint: s.Endpoint, Method: "POST", Path: "/", Body: packed, Compressed: true}
	}
	for _, a := range client(t).Do(context.Background(), list, Options{}) {
		if a.Err != nil || a.Status != 201 {
			t.Fatalf("%+v, error %v", a, a.Err)
		}
	}
	if wrong.Load() > 0 {
		t.Errorf("%d bodies came otherwise", wrong.Load())
	}
}

// With slow servers the number of requests in flight grows.
func TestDo_Grows(t *testing.T) {
	noLeaks(t)
	const n = firstParallel + 300
	var asked atomic.Int32
	all := make(chan struct{})
	s := serve(t, "127.59.4.6", requests(func(c net.Conn, _ *http.Request, _ []byte) {
		if asked.Add(1) == n {
			close(all)
		}
		<-all // until all requests are in flight
		reply(c, 200, "")
	}))
	list := make([]Request, n)
	for i := range list {
		list[i] = get(s.Endpoint)
	}
	for _, a := range client(t).Do(context.Background(), list, Options{}) {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
}
