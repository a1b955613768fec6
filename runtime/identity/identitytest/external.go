package identitytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"time"
)

// External is an organisation's own authority, which knows nothing of clusters. Its keys are ECDSA P-384.
type External struct {
	Root *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewExternal makes an authority of an organisation with a name.
func NewExternal(name string) (*External, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{name}, CommonName: "Root CA"},
		NotBefore: time.Now().Add(-72 * time.Hour), NotAfter: time.Now().Add(72 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(der)
	return &External{root, key}, err
}

// IssueExternal makes a certificate of an authority as a template says, of which the serial number, and by default the
// times, are chosen here. It returns the certificate and its key as PEM.
func IssueExternal(x *External, t x509.Certificate) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100)); err != nil {
		return nil, nil, err
	}
	if t.NotBefore.IsZero() {
		t.NotBefore = time.Now().Add(-time.Hour)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = time.Now().Add(48 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, x.Root, &private.PublicKey, x.key)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", secret), nil
}

// ExternalCredential makes a certificate as IssueExternal does, and returns a credential file with it.
func ExternalCredential(x *External, t x509.Certificate) ([]byte, error) {
	certificate, key, err := IssueExternal(x, t)
	return slices.Concat(certificate, key, ExternalRoot(x)), err
}

// ExternalRoot returns the certificate of an authority as PEM.
func ExternalRoot(x *External) []byte { return block("CERTIFICATE", x.Root.Raw) }

func block(kind string, der []byte) []byte {
	var out bytes.Buffer
	_ = pem.Encode(&out, &pem.Block{Type: kind, Bytes: der}) // fails only for invalid headers
	return out.Bytes()
}
