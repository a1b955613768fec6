package external

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"dkvrun/runtime/identity"
)

// followEvery is the interval in which the manager looks for changes of the files.
const followEvery = 500 * time.Millisecond

// warnBefore is the time before the end of the certificate from which people are warned.
const warnBefore = 14 * 24 * time.Hour

// maxPEM is the largest file with certificates, in bytes.
const maxPEM = 64 << 10

// Files are the paths of the files. Certificate and Key belong together, and CA and Identities; either pair may be
// empty.
type Files struct{ Certificate, Key, CA, Identities string }

// Check refuses a command line that names one file of a pair.
func (f Files) Check() error {
	switch {
	case (f.Certificate == "") != (f.Key == ""):
		return errors.New("--tls-cert and --tls-key belong together: the certificate to show, and its key")
	case (f.CA == "") != (f.Identities == ""):
		return errors.New("--tls-ca and --tls-identities belong together: the authority of client certificates, and whom they stand for")
	}
	return nil
}

// Given reports whether there are any files.
func (f Files) Given() bool { return f != Files{} }

// Source follows the files. Its methods may be called from any goroutine.
type Source struct {
	files   Files
	cluster string
	now     func() time.Time
	loaded  atomic.Pointer[loaded]
	problem atomic.Pointer[string] // why the present files can't be used; nil if they are
	read    []os.FileInfo          // as they were read last; nil for one that is missing
}

type loaded struct {
	content *Content
	use     Use
}

// Open reads the files for a cluster, or for any if cluster is empty. The error is one line about the first file that
// is wrong.
func Open(f Files, cluster string, now func() time.Time) (*Source, error) {
	s := &Source{files: f, cluster: cluster, now: now}
	return s, s.load()
}

// Content returns what the files said when they were right last.
func (s *Source) Content() *Content { return s.loaded.Load().content }

// Use returns the same in the form in which TLS takes it.
func (s *Source) Use() Use { return s.loaded.Load().use }

// Warnings returns a sentence for each thing that people should know about the files.
func (s *Source) Warnings() []string {
	var out []string
	if p := s.problem.Load(); p != nil {
		out = append(out, *p)
	}
	if c := s.Use().Shown; c != nil && s.now().After(c.Leaf.NotAfter.Add(-warnBefore)) {
		out = append(out, fmt.Sprintf("the certificate %s ends at %s", s.files.Certificate, stamp(c.Leaf.NotAfter)))
	}
	return out
}

// Follow reads the files again whenever they change, until ctx is done. While they can't be used, what they said before
// stays in use; changed is called with nil after each change, and with each new reason why they can't be used.
func (s *Source) Follow(ctx context.Context, changed func(error)) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !slices.EqualFunc(s.stat(), s.read, same) {
			changed(s.load())
		}
	}
}

// same reports whether two looks at a file saw the same content.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

// stat returns the present state of the files.
func (s *Source) stat() []os.FileInfo {
	var out []os.FileInfo
	for _, path := range []string{s.files.Certificate, s.files.Key, s.files.CA, s.files.Identities} {
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		out = append(out, info)
	}
	return out
}

// load reads the files. One that changes meanwhile is read again by the next look.
func (s *Source) load() error {
	s.read = s.stat()
	c := &Content{}
	err := s.loadShown(c)
	if err == nil {
		err = s.loadClients(c)
	}
	var use Use
	if err == nil {
		use, err = c.Use()
	}
	if err != nil {
		text := err.Error()
		s.problem.Store(&text)
		return err
	}
	s.problem.Store(nil)
	s.loaded.Store(&loaded{c, use})
	return nil
}

// loadShown reads the certificate to show.
func (s *Source) loadShown(c *Content) error {
	if s.files.Certificate == "" {
		return nil
	}
	chain, err := readText(s.files.Certificate, maxPEM)
	if err != nil {
		return fmt.Errorf("--tls-cert: %w", err)
	}
	key, err := identity.ReadSecret(s.files.Key)
	if err != nil {
		return fmt.Errorf("--tls-key: %w", err)
	}
	shown, err := tls.X509KeyPair([]byte(chain), key)
	if err != nil {
		return s.describePair(chain, err)
	}
	leaf := shown.Leaf
	switch now := s.now(); {
	case leaf.IsCA:
		return fmt.Errorf("--tls-cert: the first certificate of %s is an authority's: the chain begins with the server's", s.files.Certificate)
	case now.After(leaf.NotAfter):
		return fmt.Errorf("--tls-cert: the certificate %s expired at %s", s.files.Certificate, stamp(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("--tls-cert: the certificate %s is not valid before %s: the clock here says %s", s.files.Certificate,
			stamp(leaf.NotBefore), stamp(now))
	case len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) &&
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny):
		return fmt.Errorf("--tls-cert: the certificate %s may not be used by a server: its extended key usage lacks serverAuth",
			s.files.Certificate)
	}
	c.Certificate, c.Key = chain, string(key)
	return nil
}

// describePair says why a certificate and a key can't be used together. It shows nothing of the key.
func (s *Source) describePair(chain string, err error) error {
	certificates, bad := identity.DecodeChain([]byte(chain))
	switch {
	case bad != nil:
		return fmt.Errorf("--tls-cert: the file %s %w", s.files.Certificate, bad)
	case err.Error() == "tls: private key does not match public key" ||
		err.Error() == "tls: private key type does not match public key type":
		return fmt.Errorf("--tls-key: %s is not the key of the certificate in %s, which is for %.100q", s.files.Key,
			s.files.Certificate, certificates[0].Subject.String())
	}
	return fmt.Errorf("--tls-key: the file %s has no key that can be read: want one PEM block without a passphrase", s.files.Key)
}

// loadClients reads whom client certificates stand for.
func (s *Source) loadClients(c *Content) error {
	if s.files.CA == "" {
		return nil
	}
	text, err := readText(s.files.CA, maxPEM)
	if err != nil {
		return fmt.Errorf("--tls-ca: %w", err)
	}
	roots, err := identity.DecodeRoots([]byte(text))
	if err != nil {
		return fmt.Errorf("--tls-ca: the file %s %w", s.files.CA, err)
	}
	for _, root := range roots {
		if s.now().After(root.NotAfter) {
			return fmt.Errorf("--tls-ca: the authority %.100q of %s expired at %s", root.Subject.String(), s.files.CA, stamp(root.NotAfter))
		}
	}
	c.Roots = text
	c.Clients, err = readIdentities(s.files.Identities, s.cluster)
	if errors.As(err, new(*fs.PathError)) {
		return fmt.Errorf("--tls-identities: %w", err)
	}
	return err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
