package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"

	"dkvrun/runtime/identity"
)

// NewKey makes a key.
func NewKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// checkKey refuses keys that are not on P-256.
func checkKey(key *ecdsa.PublicKey) error {
	if key == nil || key.Curve != elliptic.P256() {
		return errors.New("the key is not ECDSA P-256")
	}
	return nil
}

// HashPublicKey returns the hash of a public key, the same as identity.HashKey returns for its certificates.
func HashPublicKey(key *ecdsa.PublicKey) (identity.KeyHash, error) {
	if err := checkKey(key); err != nil {
		return identity.KeyHash{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return identity.KeyHash{}, err
	}
	return sha256.Sum256(der), nil
}
