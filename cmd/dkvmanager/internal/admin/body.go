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

const bodyTimeout = 30 * time.Second

// bodies reads the bodies of requests. It bounds the memory that they take together.
type bodies struct {
	// timeout bounds the time in which a client must send its body.
	timeout time.Duration
	// most is the largest size in bytes of a body, before and after decompression.
	most int64
	// large is the size in bytes from which a body needs one of slots. A client can send 8 MiB as 8 KiB of gzip.
	large int64
	slots *largeSlots
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
		slots: newLargeBodies(maxLargeBodies)}
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
		slot, err := b.slots.acquire(clientOf(r), b.timeout, func() {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // it was set before without an error
		})
		if err != nil {
			return nil, release, err
		}
		release = func() { b.slots.release(slot) }
		_, err = text.ReadFrom(io.LimitReader(source, b.most+1-b.large))
		if !b.slots.moved(slot) {
			return nil, release, b.slots.busy()
		}
		if err != nil {
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
