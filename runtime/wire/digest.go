package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// Digest returns the SHA-256, in hexadecimal, of the canonical form of a store's configuration: one line for the store,
// then one line per node in topology order, with quoted strings. Node.Manager is left out, since runners may write the
// address of one manager in different ways.
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
	return hexSum(b)
}

// digestOf returns the SHA-256, in hexadecimal, of a value's JSON. The value is a struct of strings, numbers, booleans
// and lists of them, so that encoding can't fail and has one result.
func digestOf(v any) string {
	text, _ := json.Marshal(v)
	return hexSum(text)
}

func hexSum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
