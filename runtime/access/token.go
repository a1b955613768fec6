package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"

	"dkvrun/runtime/identity"
)

// Tokens are texts: a prefix, a secret, and a checksum that tells a typo from a token that was never valid. Their
// letters are lower case base32, so that they can be read out and selected with a double click.

// The prefixes.
const (
	joinPrefix   = "dkv1-"
	bearerPrefix = "dkvb1-"
)

const (
	joinSecret   = 24 // bytes; with the hash and the checksum they fill 96 letters
	bearerSecret = 32 // bytes
	checksumSize = 4  // bytes
)

// JoinToken lets a server join a cluster. It names the root's key, so that the server knows whom it sends the secret.
type JoinToken struct {
	secret [joinSecret]byte
	// Root is the hash of the public key of the cluster's root.
	Root identity.KeyHash
}

// NewJoinToken makes a random token.
func NewJoinToken(root identity.KeyHash) (JoinToken, error) {
	t := JoinToken{Root: root}
	_, err := rand.Read(t.secret[:])
	return t, err
}

// ParseJoinToken reads a token as JoinToken.Text wrote it.
func ParseJoinToken(text string) (JoinToken, error) {
	data, err := parseToken(joinPrefix, joinSecret+sha256.Size, text)
	if err != nil {
		return JoinToken{}, err
	}
	var t JoinToken
	copy(t.secret[:], data)
	copy(t.Root[:], data[joinSecret:])
	return t, nil
}

// Text returns the token with its secret.
func (t JoinToken) Text() string { return tokenText(joinPrefix, append(t.secret[:], t.Root[:]...)) }

// Hash returns the hash of the secret, which managers keep instead of the token.
func (t JoinToken) Hash() Hash { return sha256.Sum256(append([]byte(joinPrefix), t.secret[:]...)) }

// String shows no secret.
func (t JoinToken) String() string { return joinPrefix + "…" }

// GoString shows no secret.
func (t JoinToken) GoString() string { return t.String() }

// BearerToken lets a job call managers with a role, without a certificate.
type BearerToken struct {
	secret [bearerSecret]byte
}

// NewBearerToken makes a random token.
func NewBearerToken() (BearerToken, error) {
	var t BearerToken
	_, err := rand.Read(t.secret[:])
	return t, err
}

// ParseBearerToken reads a token as BearerToken.Text wrote it.
func ParseBearerToken(text string) (BearerToken, error) {
	data, err := parseToken(bearerPrefix, bearerSecret, text)
	if err != nil {
		return BearerToken{}, err
	}
	return BearerToken{[bearerSecret]byte(data)}, nil
}

// Text returns the token with its secret.
func (t BearerToken) Text() string { return tokenText(bearerPrefix, t.secret[:]) }

// Hash returns the hash of the secret, which managers keep instead of the token.
func (t BearerToken) Hash() Hash {
	return sha256.Sum256(append([]byte(bearerPrefix), t.secret[:]...))
}

// String shows no secret.
func (t BearerToken) String() string { return bearerPrefix + "…" }

// GoString shows no secret.
func (t BearerToken) GoString() string { return t.String() }

// tokenEncoding returns the encoding of tokens.
func tokenEncoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

func tokenText(prefix string, data []byte) string {
	return prefix + tokenEncoding().EncodeToString(append(data, checksum(prefix, data)...))
}

func checksum(prefix string, data []byte) []byte {
	sum := sha256.Sum256(append([]byte(prefix), data...))
	return sum[:checksumSize]
}

// parseToken returns the data of a token with so many bytes. Its errors show no part of the token but its length.
func parseToken(prefix string, size int, text string) ([]byte, error) {
	encoding := tokenEncoding()
	rest, found := strings.CutPrefix(text, prefix)
	if !found {
		return nil, fmt.Errorf("this is no token of the kind that is needed here, which begins with %s", prefix)
	}
	if want := encoding.EncodedLen(size + checksumSize); len(rest) != want {
		return nil, fmt.Errorf("the token has %d characters instead of %d: copy it again as a whole", len(text), len(prefix)+want)
	}
	for i, c := range []byte(rest) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return nil, fmt.Errorf("the token has a typo: its character %d is no letter from a to z and no digit from 2 to 7", len(prefix)+i+1)
		}
	}
	all, err := encoding.DecodeString(rest)
	if err != nil {
		return nil, fmt.Errorf("the token has a typo")
	}
	data, sum := all[:size], all[size:]
	// The last letter may have bits beyond the checksum: only one text is valid.
	if subtle.ConstantTimeCompare(sum, checksum(prefix, data)) != 1 || encoding.EncodeToString(all) != rest {
		return nil, fmt.Errorf("the token has a typo: its checksum doesn't match")
	}
	return data, nil
}
