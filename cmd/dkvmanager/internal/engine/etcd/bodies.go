package etcd

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	// smallBody is the number of bytes of a body that need no place: every request may have so many.
	smallBody = 64 << 10
	// maxLargeBytes bounds the bytes of all larger bodies that are being read or handled. Handling one takes a multiple
	// of its size in memory.
	maxLargeBytes = 64 << 20
	// largeBodyLimit bounds the time in which a body above smallBody must arrive.
	largeBodyLimit = 30 * time.Second
)

const tooManyLarge = "too many large requests are being handled: try again later, or use gRPC"

// largeBodies limits the memory that bodies of HTTP/1 requests take together. One client address gets half of it.
type largeBodies struct {
	most int64

	mu sync.Mutex
	// held is the number of bytes that the requests of each client address have, all that of all requests.
	held map[netip.Addr]int64
	all  int64
}

func newLargeBodies(most int64) *largeBodies {
	return &largeBodies{most: most, held: map[netip.Addr]int64{}}
}

// take counts n more bytes of a client. It reports whether they are within the limits.
func (l *largeBodies) take(client netip.Addr, n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all+n > l.most || l.held[client]+n > l.most/2 {
		return false
	}
	l.all += n
	l.held[client] += n
	return true
}

// release counts bytes of a client whose request has ended.
func (l *largeBodies) release(client netip.Addr, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all -= n
	if l.held[client] -= n; l.held[client] == 0 {
		delete(l.held, client)
	}
}

// admit bounds the body of a request, and answers a request whose body is too large now or always: then it returns nil.
// The caller calls release when the request has been handled.
func (l *largeBodies) admit(w http.ResponseWriter, r *http.Request) (release func()) {
	if r.ContentLength > maxJSONBytes {
		w.Header().Set("Connection", "close") // the body is not read
		refuse(w, http.StatusRequestEntityTooLarge, codes.ResourceExhausted, tooLarge)
		return nil
	}
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // the server has set it
	body := &countedBody{ReadCloser: http.MaxBytesReader(w, r.Body, maxJSONBytes), in: l, client: from.Addr().Unmap(),
		deadline: http.NewResponseController(w).SetReadDeadline}
	if r.ContentLength > smallBody && !body.grow(r.ContentLength) {
		w.Header().Set("Connection", "close")
		refuse(w, http.StatusServiceUnavailable, codes.ResourceExhausted, tooManyLarge)
		return nil
	}
	r.Body = body
	return func() { l.release(body.client, body.held) }
}

// countedBody is the body of a request. Bytes above smallBody are counted before they are passed on; a body whose
// length is known was counted whole.
type countedBody struct {
	io.ReadCloser
	in         *largeBodies
	client     netip.Addr
	read, held int64
	// deadline sets the deadline of the reading.
	deadline func(time.Time) error
}

// grow counts n more bytes, and reports whether there is room for them.
func (b *countedBody) grow(n int64) bool {
	if b.held == 0 {
		_ = b.deadline(time.Now().Add(largeBodyLimit)) // a connection without deadlines is only counted
	}
	if !b.in.take(b.client, n) {
		return false
	}
	b.held += n
	return true
}

// Read reads the body. Its error is io.EOF at the end, or says that there is no room for further bytes.
func (b *countedBody) Read(p []byte) (n int, err error) {
	n, err = b.ReadCloser.Read(p)
	b.read += int64(n)
	for b.read > smallBody+b.held {
		if !b.grow(smallBody) {
			return 0, errors.New(tooManyLarge)
		}
	}
	if errors.Is(err, io.EOF) && b.held > 0 {
		_ = b.deadline(time.Time{}) // else the server would take the deadline for the end of the client
	}
	return n, err
}
