package admin

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"dkvrun/runtime/wire"
)

const (
	// bodyTimeout bounds the time in which a client must send its body.
	bodyTimeout = 30 * time.Second
	// largeBody is the size in bytes from which a body needs one of maxLargeBodies slots: decoding one takes a multiple
	// of its size in memory, and a client can send 8 MiB as 8 KiB of gzip.
	largeBody      = 64 << 10
	maxLargeBodies = 8
)

// readBody reads the whole body, at most wire.MaxBody before and after decompression.
func (a *API) readBody(w http.ResponseWriter, r *http.Request, into *request) error {
	var source io.Reader = http.MaxBytesReader(w, r.Body, wire.MaxBody)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		inflate, err := gzip.NewReader(source)
		if err != nil {
			return bodyError(err)
		}
		source = inflate
	default:
		return wire.Refuse(wire.CodeBadRequest, "Content-Encoding %s is not known: send gzip or none", quoted(encoding))
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, source, largeBody); err == nil {
		if err := a.acquireLargeSlot(into); err != nil {
			return err
		}
		if _, err := body.ReadFrom(io.LimitReader(source, wire.MaxBody+1-largeBody)); err != nil {
			return bodyError(err)
		}
	} else if err != io.EOF {
		return bodyError(err)
	}
	if body.Len() > wire.MaxBody {
		return tooLarge()
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("body timeout: %w", err)
	}
	into.body = body.Bytes()
	return nil
}

// acquireLargeSlot waits for a slot for a large body.
func (a *API) acquireLargeSlot(req *request) error {
	timer := time.NewTimer(a.bodyTime)
	defer timer.Stop()
	select {
	case a.largeSlots <- struct{}{}:
		req.release = func() { <-a.largeSlots }
		return nil
	case <-timer.C:
		return wire.Refuse(wire.CodeTooBusy, "%d requests as large as this one are being read already: try again later", maxLargeBodies)
	}
}

func bodyError(err error) error {
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return tooLarge()
	}
	return wire.Refuse(wire.CodeBadRequest, "the body can't be read: %s", err)
}

func tooLarge() error {
	return wire.Refuse(wire.CodeBodyTooLarge, "the body is over %d MiB", wire.MaxBody>>20)
}
