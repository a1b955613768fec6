package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"dkvrun/runtime/durable"
)

// maxSecret is the maximum size of a file with secrets, in bytes.
const maxSecret = 64 << 10

// maxCertificates is the maximum number of certificates in a bundle.
const maxCertificates = 16

// Types of PEM blocks.
const (
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY" // PKCS #8
	pemToken       = "DKV TOKEN"   // a bearer token, its text as bytes; the header Cluster names the cluster
)

// clusterHeader is the header of a token's PEM block.
const clusterHeader = "Cluster"

// Bundle is the content of a credential file: certificates with their key, or a bearer token, and the authorities of
// the cluster. One file has it all, so that a key never stands beside the certificate of another one. The file is PEM:
// first the chain, the leaf first, then the key, then the roots; openssl, curl and etcdctl read it as well.
type Bundle struct {
	Chain []*x509.Certificate // the leaf first, without the root; empty with a token
	Key   *ecdsa.PrivateKey   // the leaf's; nil with a token
	Token string              // a bearer token; else empty
	Roots []*x509.Certificate // at least one
	// Cluster is the cluster that the bundle is for. It is read from the leaf's identity or the token's header.
	Cluster string
}

// Identity returns the identity of the leaf. A bundle with a token has none.
func (b *Bundle) Identity() (Identity, error) {
	if len(b.Chain) == 0 {
		return Identity{}, &Error{Problem: NoCertificate}
	}
	return Of(b.Chain[0])
}

// Policy returns a policy that trusts the bundle's roots, for its cluster and the given kinds. Callers may set Revoked.
func (b *Bundle) Policy(now func() time.Time, kinds ...Kind) *Policy {
	return &Policy{Roots: b.Roots, Cluster: b.Cluster, Kinds: kinds, Now: now}
}

// TLS returns the chain and the key as crypto/tls takes them. With roots, the chain ends with the roots, as managers
// send it: a server that joins knows only the hash of a root.
func (b *Bundle) TLS(roots bool) *tls.Certificate {
	out := &tls.Certificate{PrivateKey: b.Key}
	for _, c := range b.Chain {
		out.Certificate = append(out.Certificate, c.Raw)
	}
	if len(b.Chain) > 0 {
		out.Leaf = b.Chain[0]
	}
	if roots {
		for _, c := range b.Roots {
			out.Certificate = append(out.Certificate, c.Raw)
		}
	}
	return out
}

// Encode returns the bundle as PEM.
func (b *Bundle) Encode() ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	block := func(kind string, data []byte, headers map[string]string) {
		_ = pem.Encode(&out, &pem.Block{Type: kind, Bytes: data, Headers: headers}) // fails only for invalid headers
	}
	for _, c := range b.Chain {
		block(pemCertificate, c.Raw, nil)
	}
	if b.Key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(b.Key)
		if err != nil {
			return nil, err
		}
		block(pemKey, der, nil)
	}
	if b.Token != "" {
		block(pemToken, []byte(b.Token), map[string]string{clusterHeader: b.Cluster})
	}
	for _, c := range b.Roots {
		block(pemCertificate, c.Raw, nil)
	}
	return out.Bytes(), nil
}

// Decode reads a bundle from PEM. It checks that the key is the leaf's, and that nothing stands beside the blocks. It
// checks no signatures and no times.
func Decode(text []byte) (*Bundle, error) {
	b := &Bundle{}
	if err := eachBlock(text, b.add); err != nil {
		return nil, err
	}
	if b.Key != nil && len(b.Chain) > 0 {
		if id, err := Of(b.Chain[0]); err == nil {
			b.Cluster = id.Cluster
		}
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	return b, nil
}

// eachBlock calls add with each PEM block of a text that has blocks and white space, and nothing else.
func eachBlock(text []byte, add func(*pem.Block) error) error {
	if len(text) > maxSecret {
		return fmt.Errorf("is larger than %d KiB", maxSecret>>10)
	}
	const begin = "-----BEGIN "
	for rest := bytes.TrimSpace(text); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		if !bytes.HasPrefix(rest, []byte(begin)) {
			return errors.New("has something that is no PEM block")
		}
		block, after := pem.Decode(rest)
		// pem.Decode skips blocks that it can't read.
		if block == nil || bytes.Count(rest[:len(rest)-len(after)], []byte(begin)) != 1 {
			return errors.New("has a PEM block that can't be read: it may be cut off")
		}
		if err := add(block); err != nil {
			return err
		}
		rest = after
	}
	return nil
}

// EncodeRoots returns certificates of authorities as PEM.
func EncodeRoots(roots []*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, c := range roots {
		_ = pem.Encode(&out, &pem.Block{Type: pemCertificate, Bytes: c.Raw}) // fails only for invalid headers
	}
	return out.Bytes()
}

// DecodeRoots reads certificates of authorities from PEM. There must be at least one, and nothing else.
func DecodeRoots(text []byte) ([]*x509.Certificate, error) {
	b := &Bundle{Token: "none"} // what comes after a secret are roots
	if err := eachBlock(text, b.add); err != nil {
		return nil, err
	}
	return b.Roots, b.checkRoots()
}

// DecodeChain reads the chain of a certificate from PEM, the leaf first, and nothing else.
func DecodeChain(text []byte) ([]*x509.Certificate, error) {
	b := &Bundle{}
	if err := eachBlock(text, b.add); err != nil {
		return nil, err
	}
	if len(b.Chain) == 0 || b.Key != nil || b.Token != "" {
		return nil, errors.New("is not the chain of a certificate")
	}
	return b.Chain, nil
}

// add adds a block: certificates before the key are the chain, those after it or after the token are roots.
func (b *Bundle) add(block *pem.Block) error {
	secret := b.Key != nil || b.Token != ""
	switch block.Type {
	case pemCertificate:
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("has a certificate that can't be read: %w", err)
		}
		if len(b.Chain)+len(b.Roots) >= maxCertificates {
			return fmt.Errorf("has more than %d certificates", maxCertificates)
		}
		if secret {
			b.Roots = append(b.Roots, c)
		} else {
			b.Chain = append(b.Chain, c)
		}
	case pemKey:
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return errors.New("has a key that can't be read") // the cause could show a part of the key
		}
		ec, is := key.(*ecdsa.PrivateKey)
		switch {
		case secret:
			return errors.New("has more than one secret")
		case !is || ec.Curve != elliptic.P256():
			return errors.New("has a key that is not ECDSA P-256")
		}
		b.Key = ec
	case pemToken:
		if secret {
			return errors.New("has more than one secret")
		}
		b.Token, b.Cluster = string(block.Bytes), block.Headers[clusterHeader]
	default:
		return fmt.Errorf("has a PEM block of the unknown type %.40q", block.Type)
	}
	return nil
}

// check refuses a bundle that is incomplete or whose key is not the leaf's.
func (b *Bundle) check() error {
	switch {
	case b.Key == nil && b.Token == "":
		return errors.New("has neither a key nor a token")
	case b.Key != nil && b.Token != "":
		return errors.New("has a key and a token")
	case (b.Key != nil) != (len(b.Chain) > 0):
		return errors.New("has no certificate before its key, or a certificate without a key")
	}
	if err := b.checkRoots(); err != nil {
		return err
	}
	if b.Token != "" {
		if err := CheckCluster(b.Cluster); err != nil {
			return fmt.Errorf("its token has no valid header %s: %w", clusterHeader, err)
		}
		if len(b.Token) > 256 || strings.ContainsFunc(b.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return errors.New("its token is not a token's text")
		}
		return nil
	}
	public, is := b.Chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !is || !public.Equal(b.Key.Public()) {
		return errors.New("its key is not that of its first certificate")
	}
	return nil
}

// checkRoots refuses a bundle without roots, or with certificates in their place that are not authorities'.
func (b *Bundle) checkRoots() error {
	if len(b.Roots) == 0 {
		return errors.New("has no certificate of the cluster's authority at its end")
	}
	for _, c := range b.Roots {
		if !c.IsCA {
			return errors.New("has a certificate at its end that is not an authority's")
		}
	}
	return nil
}

// Save writes the bundle to a file that only its owner can read, durably.
func (b *Bundle) Save(path string) error {
	text, err := b.Encode()
	if err != nil {
		return fmt.Errorf("the credential %w", err)
	}
	return durable.Replace(path, text, durable.Options{Mode: 0o600})
}

// Load reads a bundle from a file. It refuses a file that others than its owner can read, and one that belongs to
// neither this process's user nor root.
func Load(path string) (*Bundle, error) {
	text, err := ReadSecret(path)
	if err != nil {
		return nil, err
	}
	b, err := Decode(text)
	if err != nil {
		return nil, fmt.Errorf("the credential %s %w: copy it again, or have a new one made with dkvmanager credential", path, err)
	}
	return b, nil
}

// CredentialPath returns the path of the credential for a cluster in a folder of credentials, such as
// ~/.config/dkvrun.
func CredentialPath(folder, cluster string) string { return filepath.Join(folder, cluster+".pem") }

// Find returns the credential for a cluster in a folder of credentials. The error is fs.ErrNotExist if it has none.
func Find(folder, cluster string) (*Bundle, error) {
	if err := CheckCluster(cluster); err != nil {
		return nil, fmt.Errorf("the cluster's name %w", err)
	}
	path := CredentialPath(folder, cluster)
	b, err := Load(path)
	if err == nil && b.Cluster != cluster {
		return nil, fmt.Errorf("the credential %s is for cluster %q", path, b.Cluster)
	}
	return b, err
}

// FindAll returns the credentials in a folder of credentials, by the names of their files. A client that doesn't know
// the server's cluster before it connects offers them all: see Client. The error joins what is wrong with those that
// can't be read, and the others are returned all the same. A missing folder has none.
func FindAll(folder string) ([]*Bundle, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []*Bundle
	var failed []error
	for _, e := range entries {
		cluster, is := strings.CutSuffix(e.Name(), ".pem")
		if !is || CheckCluster(cluster) != nil {
			continue
		}
		b, err := Find(folder, cluster)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		out = append(out, b)
	}
	return out, errors.Join(failed...)
}

// ReadSecret reads a file that holds a secret, of at most 64 KiB. It refuses a file that others than its owner can read
// or write, and one that belongs to neither this process's user nor root.
func ReadSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // of the open file, so that it can't be exchanged in between
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, &SecretError{path, fmt.Sprintf("others can read or write it (mode %04o): run chmod 600 %s, and replace what it holds if somebody may have read it", mode, path)}
	}
	if stat, is := info.Sys().(*syscall.Stat_t); is {
		if err := checkOwner(path, stat.Uid, os.Geteuid()); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSecret {
		return nil, fmt.Errorf("%s is larger than %d KiB", path, maxSecret>>10)
	}
	return text, nil
}

// checkOwner refuses a file of a user that is neither the process's nor root.
func checkOwner(path string, owner uint32, user int) error {
	if owner != 0 && int(owner) != user {
		return &SecretError{path, fmt.Sprintf("it belongs to another user (%d): make a copy that belongs to you", owner)}
	}
	return nil
}

// SecretError is a file with a secret that is refused because of its owner or mode.
type SecretError struct {
	Path   string
	Reason string // what is wrong, and what to do
}

func (e *SecretError) Error() string { return "refusing " + e.Path + ": " + e.Reason }

// Is reports that the file may not be used: errors.Is(err, fs.ErrPermission).
func (e *SecretError) Is(target error) bool { return target == fs.ErrPermission }
