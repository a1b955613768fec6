package admin

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"dkvrun/runtime/wire"
)

const (
	bodyTimeout    = 30 * time.Second
	largeBody      = 64 << 10
	maxLargeBodies = 8
)

// bodies reads the bodies of requests. It bounds the memory that they take together.
type bodies struct {
	// timeout bounds the time in which a client must send its body.
	timeout time.Duration
	// most is the largest size in bytes of a body, before and after decompression.
	most int64
	// large is the size in bytes from which a body needs one of largeSlots: decoding one takes a multiple of its size
	// in memory, and a client can send 8 MiB as 8 KiB of gzip.
	large      int64
	largeSlots chan struct{}
	// inflaters holds *gzip.Reader for reuse: one takes 40 KiB, which a refused request should not cost each time.
	inflaters sync.Pool
}

// inflater returns a reader that decompresses source. The caller returns it to the pool.
func (b *bodies) inflater(source io.Reader) (*gzip.Reader, error) {
	used, ok := b.inflaters.Get().(*gzip.Reader)
	if !ok {
		return gzip.NewReader(source)
	}
	if err := used.Reset(source); err != nil {
		b.inflaters.Put(used)
		return nil, err
	}
	return used, nil
}

func newBodies() *bodies {
	return &bodies{timeout: bodyTimeout, most: wire.MaxBody, large: largeBody,
		largeSlots: make(chan struct{}, maxLargeBodies)}
}

// read returns the whole body. Without an error the caller calls
// release when it no longer needs the body.
func (b *bodies) read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	release = func() {}
	defer func() {
		if err != nil {
			release()
		}
	}()
	if r.ContentLength > b.most {
		return nil, release, tooLarge()
	}
	var source io.Reader = http.MaxBytesReader(w, r.Body, b.most)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		inflate, err := b.inflater(source)
		if err != nil {
			return nil, release, bodyError(err)
		}
		defer b.inflaters.Put(inflate)
		source = inflate
	default:
		return nil, release, wire.Refuse(wire.CodeBadRequest, "Content-Encoding %s is not known: send gzip or none", quoted(encoding))
	}
	source = &scan{from: source}
	var text bytes.Buffer
	if _, err := io.CopyN(&text, source, b.large); err == nil {
		if err := b.acquireLargeSlot(); err != nil {
			return nil, release, err
		}
		release = func() { <-b.largeSlots }
		if _, err := text.ReadFrom(io.LimitReader(source, b.most+1-b.large)); err != nil {
			return nil, release, bodyError(err)
		}
	} else if err != io.EOF {
		return nil, release, bodyError(err)
	}
	if int64(text.Len()) > b.most {
		return nil, release, tooLarge()
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		return nil, release, fmt.Errorf("body timeout: %w", err)
	}
	return text.Bytes(), release, nil
}

// leaveTime bounds the time for which a refused request's client may go on sending its body. Until then the connection
// is not closed: a client that is still sending could miss the refusal.
const leaveTime = time.Second

// leave makes the server send a refusal at once, without the rest of the request's body, and close the connection.
func (b *bodies) leave(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
		limit := time.Now().Add(min(leaveTime, b.timeout))
		_ = http.NewResponseController(w).SetReadDeadline(limit) // the deadline was set before without an error
	}
}

// acquireLargeSlot waits for a slot for a large body.
func (b *bodies) acquireLargeSlot() error {
	timer := time.NewTimer(b.timeout)
	defer timer.Stop()
	select {
	case b.largeSlots <- struct{}{}:
		return nil
	case <-timer.C:
		return wire.Refuse(wire.CodeTooBusy, "%d requests as large as this one are being read already: try again later", cap(b.largeSlots))
	}
}

func bodyError(err error) error {
	var refusal *wire.Result
	if errors.As(err, &refusal) {
		return refusal
	}
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return tooLarge()
	}
	return wire.Refuse(wire.CodeBadRequest, "the body can't be read: %s", err)
}

func tooLarge() error {
	return wire.Refuse(wire.CodeBodyTooLarge, "the body is over %d MiB", wire.MaxBody>>20)
}
