package fanout

import (
	"bytes"
	"compress/gzip"
)

// compressFrom is the size in bytes from which a body is worth compressing, which takes as long as
// sending some hundred times as much over a fast network.
const compressFrom = 16 << 10

// Compress makes a large body small, once for all servers that get it. It says whether it did: a small
// body, or one that grows, comes back as it is.
func Compress(body []byte) ([]byte, bool) {
	if len(body) < compressFrom {
		return body, false
	}
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // a level that there is, and a buffer takes everything
	_, _ = w.Write(body)
	_ = w.Close()
	if out.Len() >= len(body) {
		return body, false
	}
	return out.Bytes(), true
}
