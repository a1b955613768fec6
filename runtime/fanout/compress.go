package fanout

import (
	"bytes"
	"compress/gzip"
	"fmt"
)

// compressFrom is the size in bytes from which a body is worth compressing, which takes as long as
// sending some hundred times as much over a fast network.
const compressFrom = 16 << 10

// Compress makes a large body small, once for all servers that get it. It says whether it did: a small
// body, or one that grows, comes back as it is.
func Compress(body []byte) ([]byte, bool, error) {
	if len(body) < compressFrom {
		return body, false, nil
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, false, fmt.Errorf("compressing a body of %d bytes: %w", len(body), err)
	}
	if out.Len() >= len(body) {
		return body, false, nil
	}
	return out.Bytes(), true, nil
}
