package fanout

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

const (
	// maxInterim bounds the interim (1xx) answers before the final one.
	maxInterim = 8
	// smallBody is the largest body that is read into a buffer of the announced length. A larger body allocates memory
	// as its bytes arrive.
	smallBody = 64 << 10
)

var (
	errStart = errors.New("no status line")
	errTotal = errors.New("all answers together are too large")
)

// readAnswer reads one answer. It subtracts the size of the body from left, the bytes left for all answers together.
func readAnswer(in *bufio.Reader, resp *fasthttp.Response, left *atomic.Int64) ([]byte, error) {
	if err := skipInterim(in, resp); err != nil {
		return nil, err
	}
	if err := resp.Header.Read(in); err != nil {
		return nil, err
	}
	status, length := resp.StatusCode(), resp.Header.ContentLength()
	switch {
	case resp.SkipBody, status == fasthttp.StatusNoContent, status == fasthttp.StatusNotModified:
		return nil, nil
	case length > maxBody:
		return nil, fasthttp.ErrBodyTooLarge
	case length < 0 || length > smallBody:
		return readLarge(in, resp, left)
	case left.Add(int64(-length)) < 0:
		return nil, errTotal
	}
	err := resp.ReadBody(in, smallBody)
	return bytes.Clone(resp.Body()), err
}

func readLarge(in *bufio.Reader, resp *fasthttp.Response, left *atomic.Int64) ([]byte, error) {
	resp.StreamBody = true
	if err := resp.ReadBody(in, maxBody); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	_, err := body.ReadFrom(io.LimitReader(counted{resp.BodyStream(), left}, maxBody+1))
	if err == nil && body.Len() > maxBody {
		err = fasthttp.ErrBodyTooLarge
	}
	if err != nil {
		return nil, err
	}
	return body.Bytes(), resp.CloseBodyStream()
}

// counted is a Reader that subtracts the bytes it reads from left.
type counted struct {
	io.Reader
	left *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.left.Add(int64(-n)) < 0 {
		return n, errTotal
	}
	return n, err
}

// skipInterim skips interim answers and checks that the final one begins with a version and a status. fasthttp would
// skip empty lines before it and read status 000 as 200.
func skipInterim(in *bufio.Reader, resp *fasthttp.Response) error {
	for range maxInterim {
		start, err := in.Peek(len("HTTP/1.1 200"))
		switch {
		case err != nil && !bytes.HasPrefix([]byte("HTTP/1."), start[:min(len(start), len("HTTP/1."))]):
			return errStart // too short for a status line, and not the beginning of one
		case err != nil:
			return err
		case !bytes.HasPrefix(start, []byte("HTTP/1.")) || start[9] < '1' || start[9] > '9':
			return errStart
		case start[9] != '1':
			return nil
		}
		if err := resp.Header.Read(in); err != nil {
			return err
		}
	}
	return errStart
}
