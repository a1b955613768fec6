package fanout

import (
	"context"
	"fmt"
	"net"
	goruntime "runtime"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// Bodies that are read at once and in pieces, with every way to announce the length.
func TestAnswer_BodiesOfEverySize(t *testing.T) {
	noLeaks(t)
	for _, size := range []int{0, 1, smallBody - 1, smallBody, smallBody + 1, 1 << 20, maxBody} {
		body := strings.Repeat("x", size)
		for name, answer := range map[string]string{
			"length": fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body),
			"chunks": fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", chunked(body)),
			"end":    "HTTP/1.1 200 OK\r\n\r\n" + body,
		} {
			s := serve(t, "127.59.5.1", raw(answer))
			if a := one(t, get(s.Endpoint)); a.Err != nil || string(a.Body) != body {
				t.Errorf("%d bytes by %s: got %d, error %v", size, name, len(a.Body), a.Err)
			}
		}
	}
}

func chunked(body string) string {
	if body == "" {
		return ""
	}
	return fmt.Sprintf("%x\r\n%s\r\n", len(body), body)
}

// The size of all answers to one call of Do together is limited, in addition to that of each answer.
func TestAnswer_TotalBounded(t *testing.T) {
	const most = 20
	s := serve(t, "127.59.5.2", text(strings.Repeat("x", 1<<20)))
	list := make([]Request, most+10)
	for i := range list {
		list[i] = get(s.Endpoint)
	}
	complete, refused := 0, 0
	c := New(Config{Total: most << 20})
	defer c.Close()
	c.Do(context.Background(), list, Options{Parallel: 4, OnAnswer: func(a Answer) {
		switch {
		case a.Err == nil:
			complete++
		case a.Err.Class == Protocol && strings.Contains(a.Err.Message, "answers together are larger than 20 MiB"):
			refused++
		default:
			t.Error(a.Err)
		}
	}})
	if complete > most || complete < most-4 || complete+refused != len(list) {
		t.Errorf("%d complete and %d refused answers", complete, refused)
	}
}

// An announced length allocates no memory; only received bytes do.
func TestAnswer_AnnouncedLengthAllocatesNothing(t *testing.T) {
	const n = 64
	begun := make(chan struct{}, n)
	hold := make(chan struct{})
	s := serve(t, "127.59.5.3", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nx", maxBody)
		if len(begun)%2 == 1 {
			head = fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\nx", maxBody)
		}
		_, _ = fmt.Fprint(c, head)
		begun <- struct{}{}
		<-hold
	})
	list := make([]Request, n)
	for i := range list {
		list[i] = get(s.Endpoint)
	}
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	for _, a := range client(t).Do(context.Background(), list, Options{Timeout: time.Second}) {
		if a.Err == nil || a.Err.Class != Timeout {
			t.Errorf("%+v", a)
		}
	}
	goruntime.ReadMemStats(&after)
	close(hold)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > n<<20 {
		t.Errorf("%d answers of a byte took %d MiB", n, grown>>20)
	}
}

// Bytes after an answer are not taken for the next answer, also if they arrive while the connection is idle.
func TestAnswer_UnrequestedBytesIgnored(t *testing.T) {
	noLeaks(t)
	planted := make(chan struct{})
	s := serve(t, "127.59.5.4", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		reply(c, 200, "real")
		<-planted
		reply(c, 200, "planted")
		planted <- struct{}{}
		_, _ = c.Read(make([]byte, 4096))
	})
	c := client(t)
	for range 5 {
		if a := c.Do(context.Background(), []Request{get(s.Endpoint)}, Options{})[0]; a.Err != nil || string(a.Body) != "real" {
			t.Fatalf("got %q, error %v", a.Body, a.Err)
		}
		planted <- struct{}{}
		<-planted
	}
}

// A few interim answers are skipped.
func TestAnswer_Interim(t *testing.T) {
	const hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	end := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	s := serve(t, "127.59.5.5", raw("HTTP/1.1 100 Continue\r\n\r\n"+strings.Repeat(hint, maxInterim-2)+end))
	if a := one(t, get(s.Endpoint)); a.Err != nil || string(a.Body) != "ok" {
		t.Errorf("%+v, error %v", a, a.Err)
	}
	storm := serve(t, "127.59.5.6", raw(strings.Repeat(hint, maxInterim)+end))
	if a := one(t, get(storm.Endpoint)); a.Err == nil || a.Err.Class != Protocol {
		t.Errorf("a storm: %+v", a)
	}
}

// An answer has the identity that its header states. One that is expected shares the text of the request.
func TestAnswer_ManagerFromHeader(t *testing.T) {
	for i, test := range []struct{ header, expected, want string }{
		{"", "", ""},
		{"", "m-1", ""},
		{"Dkv-Manager: m-1\r\n", "", "m-1"},
		{"dkv-manager:  m-1 \r\n", "m-1", "m-1"},
		{"X: y\r\nDkv-Manager: m-2\r\n", "m-1", "m-2"},
		{"Dkv-Managers: m-1\r\n", "m-1", ""},
		{"Dkv-Manager: m-1\r\nDkv-Manager: m-2\r\n", "m-1", ""},
		{"Dkv-Manager: m-2\r\nDkv-Manager: m-1\r\n", "", ""},
	} {
		s := serve(t, fmt.Sprintf("127.59.5.%d", 40+i), raw("HTTP/1.1 404 .\r\n"+test.header+"Content-Length: 2\r\n\r\nok"))
		r := get(s.Endpoint)
		r.Manager = test.expected
		a := client(t).Do(context.Background(), []Request{r}, Options{})[0]
		if a.Err != nil || a.Manager != test.want {
			t.Errorf("%q, expected from %q: got %q, %v", test.header, test.expected, a.Manager, a.Err)
		}
		if test.want != "" && test.want == test.expected && unsafe.StringData(a.Manager) != unsafe.StringData(r.Manager) {
			t.Errorf("%q: the identity was copied", test.header)
		}
	}
}
