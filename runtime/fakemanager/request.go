package fakemanager

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"dkvrun/runtime/wire"
)

// request holds the parts of an HTTP request that a fake manager reads.
type request struct {
	method, path string
	gzipped      bool
	body         []byte
	// set by route
	store, instance, operation string
	query                      url.Values
	// digest is that of the action that the handler has understood.
	digest string
}

// understood keeps what the answer names of the request: its store and its digest.
func (r *request) understood(as wire.ActionRequest) { r.store, r.digest = as.Store, as.Digest() }

// readRequest reads the requests of the runner and of managers: HTTP/1.1 with lines under 2 KB and bodies of known
// length. net/http would use as much time for each as the client that is measured.
func readRequest(in *bufio.Reader) (*request, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(line))
	if len(words) != 3 {
		return nil, fmt.Errorf("%q is no request", line)
	}
	r := &request{method: words[0], path: words[1]}
	length := 0
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return nil, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return nil, err
			}
		case bytes.EqualFold(name, []byte("Content-Encoding")):
			r.gzipped = string(value) == "gzip"
		}
	}
	if length > 0 {
		r.body = make([]byte, length)
		_, err = io.ReadFull(in, r.body)
	}
	return r, err
}

// number returns a query parameter as a number, 0 if it is missing.
func (r *request) number(name string) uint64 {
	n, _ := strconv.ParseUint(r.query.Get(name), 10, 64)
	return n
}

// decode unmarshals the body, or returns a refusal.
func (r *request) decode(into any) *wire.Result {
	var in io.Reader = bytes.NewReader(r.body)
	if r.gzipped {
		inflate, err := gzip.NewReader(in)
		if err != nil {
			return wire.Refuse(wire.CodeBadRequest, "the body can't be read: %v", err)
		}
		in = inflate
	}
	if err := json.NewDecoder(in).Decode(into); err != nil {
		return wire.Refuse(wire.CodeBadRequest, "the body can't be read: %v", err)
	}
	return nil
}

// changes decodes the bodies of prepare requests. All managers get the same body, so it is decoded and stored once.
type changes struct {
	mu     sync.Mutex
	body   []byte
	last   *wire.Operation
	digest string
}

func (k *changes) read(r *request) (*wire.Operation, string, *wire.Result) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last != nil && bytes.Equal(k.body, r.body) {
		r.operation = k.last.ID
		return k.last, k.digest, nil
	}
	c := &wire.Operation{}
	if bad := r.decode(c); bad != nil {
		return nil, "", bad
	}
	r.operation = c.ID
	if bad := checkChange(c); bad != nil {
		return nil, "", bad
	}
	k.body, k.last, k.digest = r.body, c, c.Digest()
	return c, k.digest, nil
}

// asks reports whether the request changes nothing.
func (g *group) asks(r *request) bool {
	operations := wire.OperationsPath()
	if r.method != http.MethodPost || r.path != operations && !strings.HasPrefix(r.path, operations+"?") {
		return r.method == http.MethodGet
	}
	c, _, bad := g.changes.read(r)
	return bad == nil && c.DryRun
}
