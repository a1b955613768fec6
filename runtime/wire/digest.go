package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Digest is SHA-256 over the canonical form of a store's configuration: a line for the store, then a
// line a node in topology order, fields in quotes. Manager is left out: it is where a node was
// planned, spelled as one runner knew it, not what the store is.
func Digest(store string, nodes []Node) string {
	b := strconv.AppendQuote([]byte("store "), store)
	b = append(b, '\n')
	for _, n := range nodes {
		b = append(b, "node "...)
		b = strconv.AppendQuote(b, n.Name)
		b = append(b, ' ')
		b = strconv.AppendQuote(b, n.Host)
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(n.ClustronPort), 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(n.ClientPort), 10)
		b = append(b, ' ')
		b = strconv.AppendQuote(b, string(n.Role))
		b = append(b, '\n')
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
