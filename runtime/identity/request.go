package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// MaxRequest is the maximum size of a signing request, in bytes.
const MaxRequest = 8 << 10

// pemRequest is the type of the PEM block of a signing request.
const pemRequest = "CERTIFICATE REQUEST"

// NewRequest returns a signing request (PKCS #10, as PEM) for a key. It names nobody: who signs decides for whom.
func NewRequest(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: der}), nil
}

// ParseRequest returns the key of a signing request. The request's signature proves that its sender has the key. Names,
// addresses and extensions that it asks for are ignored.
func ParseRequest(text []byte) (*ecdsa.PublicKey, error) {
	if len(text) > MaxRequest {
		return nil, fmt.Errorf("the signing request has %d bytes: at most %d are allowed", len(text), MaxRequest)
	}
	text = bytes.TrimSpace(text)
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemRequest || len(rest) > 0 || !bytes.HasPrefix(text, []byte("-----BEGIN "+pemRequest)) {
		return nil, errors.New("the signing request is not one PEM block of the type " + pemRequest)
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the signing request can't be read: %w", err)
	}
	key, is := request.PublicKey.(*ecdsa.PublicKey)
	if !is {
		return nil, fmt.Errorf("the signing request has a key of type %s: want ECDSA P-256", request.PublicKeyAlgorithm)
	}
	if key.Curve != elliptic.P256() {
		return nil, errors.New("the key of the signing request is not ECDSA P-256")
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("the signing request is not signed with its key: %w", err)
	}
	return key, nil
}
