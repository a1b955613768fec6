// Package access keeps the access log of a cluster: who is a member, who has which role, what is revoked, and which
// tokens are open. The log only grows. Each line has a number and the hash of the line before it, and is signed by the
// authority's key or an admin's. Managers pull it from each other.
//
// It protects from lines that nobody with the right to write them signed, from changed, removed, inserted, repeated and
// reordered lines, and from a peer that offers a shorter log. Where two valid logs differ, which somebody with a key
// has caused, both are kept and shown, and until the authority settles it only what both allow is allowed.
//
// It does not protect from what a stolen admin's key signs until the revocation is known here, nor from a stolen key of
// the authority. The times in lines are claims: an admin's key that has expired but wasn't revoked can sign lines that
// claim an earlier time, though no earlier one than that of the line before. A manager that hears nobody knows nothing
// new; callers show for how long.
//
// The package reads no clock: callers pass the time.
package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"dkvrun/runtime/identity"
)

// Bounds of a log. Each member needs a line, each grant and revocation another one.
const (
	maxLine  = 2 << 10 // bytes of a line, with its end
	maxLines = 1 << 17
	maxBytes = 64 << 20
	maxCount = 10000 // keys of a join token
)

// Hash is a SHA-256 hash: of a line, of a public key (identity.KeyHash), or of a token.
type Hash [sha256.Size]byte

// String returns the hash as hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes the hash as hexadecimal digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(h) {
		return errors.New("want 64 hexadecimal digits")
	}
	copy(h[:], b)
	return nil
}

// Kind says what a line does.
type Kind string

// The kinds, with the fields that a line has besides those of every line. Admins may sign grant, bearer and revoke, the
// authority all.
const (
	Begin     Kind = "begin"     // Cluster, Key: the log of a cluster begins; the key is the root's, which signs the line
	Authority Kind = "authority" // Key, Cosignature: a second root; both roots sign
	Retire    Kind = "retire"    // Of: the hash of the key of a root that counts no longer; another root signs
	Token     Kind = "token"     // Of, Count, Expires, perhaps Subject: a token with which so many servers may join
	Member    Kind = "member"    // Subject, Serial, perhaps Of and Joining: a manager is a member; Serial is its issuer's
	Holder    Kind = "holder"    // Subject: the server of this manager has the authority's key from now on
	Grant     Kind = "grant"     // Subject, Role, perhaps Key (an app's always), Serial, Expires: an identity has a role
	Bearer    Kind = "bearer"    // Subject, Role, Of, Expires: a user's bearer token, with a role that may be smaller
	Revoke    Kind = "revoke"    // either Subject, Serial, or Of: an identity, a certificate, or a token ends
	Settle    Kind = "settle"    // Of: the first line of a branch, which from now on counts nothing
)

// Entry is the content of a line. Fields that its kind doesn't have are zero.
type Entry struct {
	Number   int64     `json:"number"`   // from 1
	Previous Hash      `json:"previous"` // the hash of the line before; zero for the first
	Time     time.Time `json:"time"`     // when it was signed, in seconds, UTC
	Kind     Kind      `json:"kind"`

	Cluster string        `json:"cluster,omitempty"`
	Subject string        `json:"subject,omitempty"` // the URI of an identity
	Role    identity.Role `json:"role,omitempty"`
	Serial  string        `json:"serial,omitempty"`    // of a certificate: see Serial
	Key     string        `json:"key,omitempty"`       // a public key: see PublicKey
	Of      Hash          `json:"of,omitzero"`         // the hash of a token, a key or a line
	Joining Hash          `json:"joining,omitzero"`    // the hash of the key that used a token
	Count   int           `json:"count,omitempty"`     // how many keys may use a token
	Expires time.Time     `json:"expires,omitzero"`    // in seconds, UTC
	Signer  Hash          `json:"signer"`              // the hash of the key that signed
	Second  string        `json:"second,omitempty"`    // the signature of the root that is added
	Sign    string        `json:"signature,omitempty"` // of everything before, by the signer
}

// GrantTo returns the line that gives a role to the user or the application of a certificate, to this certificate
// alone. It ends with the certificate. The certificate's key may sign lines if the role is that of an admin.
func GrantTo(c *x509.Certificate, role identity.Role) (Entry, error) {
	id, err := identity.Of(c)
	if err != nil {
		return Entry{}, err
	}
	key, is := c.PublicKey.(*ecdsa.PublicKey)
	if !is || id.Kind != identity.User && id.Kind != identity.App {
		return Entry{}, fmt.Errorf("%s is no user and no application with an ECDSA key", id.Describe())
	}
	text, err := PublicKey(key)
	return Entry{
		Kind: Grant, Subject: id.String(), Role: role, Serial: Serial(c.SerialNumber), Key: text, Expires: c.NotAfter,
	}, err
}

// Serial returns the text of a certificate's serial number in a line.
func Serial(n *big.Int) string { return n.Text(16) }

// PublicKey returns the text of a public key in a line: its SPKI in base64.
func PublicKey(key *ecdsa.PublicKey) (string, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return "", errors.New("the key is not ECDSA P-256")
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(der), nil
}

// parseKey reads what PublicKey wrote, and returns the key's hash as well.
func parseKey(text string) (*ecdsa.PublicKey, Hash, error) {
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, Hash{}, errors.New("the key can't be read")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, Hash{}, errors.New("the key can't be read")
	}
	key, is := parsed.(*ecdsa.PublicKey)
	if !is {
		return nil, Hash{}, errors.New("the key is not ECDSA P-256")
	}
	if again, err := PublicKey(key); err != nil || again != text {
		return nil, Hash{}, errors.New("the key is not ECDSA P-256, or not written as keys are")
	}
	return key, sha256.Sum256(der), nil
}

// signedText returns what the signer signs: the line without its signature.
func (e Entry) signedText() []byte {
	e.Sign = ""
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // only for a time after the year 9999, which check refuses
	}
	return text
}

// Head returns the number and the hash of the line, as Log.Heads and Log.Knows have them.
func (e Entry) Head() Head { return Head{e.Number, e.hash()} }

// hash returns the line's hash. It doesn't depend on the signature, of which a key can make many for one text.
func (e Entry) hash() Hash { return sha256.Sum256(e.signedText()) }

// secondText returns what the root that is added signs: the line without signatures.
func (e Entry) secondText() []byte {
	e.Second = ""
	return e.signedText()
}

// encode returns the line with its end.
func (e Entry) encode() []byte {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // as in signedText
	}
	return append(text, '\n')
}

// decode reads a line without its end. It accepts exactly what encode writes.
func decode(text []byte) (Entry, error) {
	if len(text) >= maxLine {
		return Entry{}, fmt.Errorf("has %d bytes: a line has less than %d", len(text), maxLine)
	}
	var e Entry
	if err := json.Unmarshal(text, &e); err != nil {
		return Entry{}, errors.New("can't be read")
	}
	if err := e.check(); err != nil {
		return Entry{}, err
	}
	if again := e.encode(); !bytes.Equal(again[:len(again)-1], text) {
		return Entry{}, errors.New("is not written as lines are")
	}
	return e, nil
}

// check refuses a line that is invalid by itself, whatever the lines before it are.
func (e Entry) check() error {
	for _, t := range []time.Time{e.Time, e.Expires} {
		if !t.Equal(t.Truncate(time.Second)) || t.Year() > 9999 || t.Location() != time.UTC {
			return errors.New("has a time that is not in seconds of UTC")
		}
	}
	kept := Entry{Number: e.Number, Previous: e.Previous, Time: e.Time, Kind: e.Kind, Signer: e.Signer, Sign: e.Sign}
	switch e.Kind {
	case Begin:
		kept.Cluster, kept.Key = e.Cluster, e.Key
	case Authority:
		kept.Key, kept.Second = e.Key, e.Second
	case Retire, Settle:
		kept.Of = e.Of
	case Token:
		kept.Subject, kept.Of, kept.Count, kept.Expires = e.Subject, e.Of, e.Count, e.Expires
	case Member:
		kept.Subject, kept.Serial, kept.Of, kept.Joining = e.Subject, e.Serial, e.Of, e.Joining
	case Holder:
		kept.Subject = e.Subject
	case Grant:
		kept.Subject, kept.Role, kept.Key, kept.Serial, kept.Expires = e.Subject, e.Role, e.Key, e.Serial, e.Expires
	case Bearer:
		kept.Subject, kept.Role, kept.Of, kept.Expires = e.Subject, e.Role, e.Of, e.Expires
	case Revoke:
		kept.Subject, kept.Serial, kept.Of = e.Subject, e.Serial, e.Of
	default:
		return fmt.Errorf("has the unknown kind %.40q", string(e.Kind))
	}
	if kept != e {
		return fmt.Errorf("has a field that lines of the kind %s don't have", e.Kind)
	}
	return e.checkFields()
}

// checkFields refuses missing and invalid fields of a line.
func (e Entry) checkFields() error {
	if e.Serial != "" {
		if n, is := new(big.Int).SetString(e.Serial, 16); !is || n.Sign() <= 0 || n.BitLen() > 160 ||
			Serial(n) != e.Serial {
			return errors.New("has an invalid serial number")
		}
	}
	missing := false
	switch e.Kind {
	case Begin:
		missing = e.Key == "" || e.Cluster == ""
	case Authority:
		missing = e.Key == ""
	case Retire, Settle:
		missing = e.Of == Hash{}
	case Token:
		missing = e.Of == Hash{} || e.Expires.IsZero()
		if e.Count < 1 || e.Count > maxCount {
			return fmt.Errorf("has a count of %d: want 1 to %d", e.Count, maxCount)
		}
	case Member:
		missing = e.Subject == "" || e.Serial == "" || (e.Of == Hash{}) != (e.Joining == Hash{})
	case Holder:
		missing = e.Subject == ""
	case Grant:
		missing = e.Subject == "" || e.Role == ""
	case Bearer:
		missing = e.Subject == "" || e.Role == "" || e.Of == Hash{} || e.Expires.IsZero()
	case Revoke:
		given := 0
		for _, is := range []bool{e.Subject != "", e.Serial != "", e.Of != Hash{}} {
			if is {
				given++
			}
		}
		missing = given != 1
	}
	if missing {
		return fmt.Errorf("doesn't have the fields of the kind %s", e.Kind)
	}
	return nil
}

// signatureContext precedes everything that is signed here, so that no signature that a key makes elsewhere, in TLS or
// for a certificate, is one of a line.
const signatureContext = "dkv access log 1\n"

func digest(text []byte) []byte {
	sum := sha256.Sum256(append([]byte(signatureContext), text...))
	return sum[:]
}

// signature signs a text: r and s, 32 bytes each, in base64. Of the two values of s that verify it takes the smaller.
func signature(key *ecdsa.PrivateKey, text []byte) (string, error) {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest(text))
	if err != nil {
		return "", err
	}
	order := key.Curve.Params().N
	if s.Cmp(new(big.Int).Rsh(order, 1)) > 0 {
		s.Sub(order, s)
	}
	var out [64]byte
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return base64.StdEncoding.EncodeToString(out[:]), nil
}

// verify checks what signature made. Nobody without the key can make another text that it accepts.
func verify(key *ecdsa.PublicKey, text []byte, signed string) error {
	b, err := base64.StdEncoding.Strict().DecodeString(signed)
	if err != nil || len(b) != 64 {
		return errors.New("has no signature")
	}
	r, s := new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:])
	if s.Cmp(new(big.Int).Rsh(key.Curve.Params().N, 1)) > 0 || !ecdsa.Verify(key, digest(text), r, s) {
		return errors.New("has a signature that is not its signer's")
	}
	return nil
}
