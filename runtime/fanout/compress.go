package fanout

import (
	"bytes"
	"compress/gzip"
)

// compressFrom is the least size in bytes of a body that is compressed. Compressing takes as long as sending about a
// hundred times as much over a fast network.
const compressFrom = 16 << 10

// Compress compresses a body, once for all servers that it is sent to. It returns a small body, or one that would grow,
// unchanged, and false.
func Compress(body []byte) ([]byte, bool) {
	if len(body) < compressFrom {
		return body, false
	}
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // none of these calls can fail: the level exists, and a buffer grows
	_, _ = w.Write(body)
	_ = w.Close()
	if out.Len() >= len(body) {
		return body, false
	}
	return out.Bytes(), true
}
