// Package credential finds the credential with which the runner connects to managers, and makes TLS connections with
// it.
//
// A credential is a file of package identity: a certificate with its key, or a bearer token, and the authorities of one
// cluster. It is named by a flag or the environment; else it is in a folder, and is chosen by the cluster that the
// server's certificate names. Files are read when the first connection needs them.
//
// A manager is judged before it is sent anything. It must have a certificate of its cluster's authority, for a manager.
// Without a credential there is no authority to judge by, and https means the certificate authorities of the system.
package credential

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"dkvrun/runtime/identity"
)

// maxAge is the time after which the files are read again, so that a long run uses a renewed credential.
const maxAge = 30 * time.Second

// Source says where the credential is. Its methods may be called concurrently. It must not be copied after its first
// use.
type Source struct {
	// File is the file of a credential, and TokenFile is one that must hold a bearer token. At most one of them is set.
	File, TokenFile string
	// Folder has the credentials of this user, one a cluster, if no file is set. It may be empty or missing.
	Folder string

	mu     sync.Mutex
	readAt time.Time
	found  []*credential
	err    error // what is wrong with files that can't be used
	read   bool  // whether the credentials were read
	named  sync.Once
	any    bool // whether the folder has credentials
}

// Folder returns the folder of the credentials of a user, given the environment: $XDG_CONFIG_HOME/dkvrun, or
// ~/.config/dkvrun. It is empty if the environment has neither XDG_CONFIG_HOME nor HOME.
func Folder(getenv func(string) string) string {
	config := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) { // a relative path is invalid and ignored, as the XDG Base Directory Specification says
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		config = filepath.Join(home, ".config")
	}
	return filepath.Join(config, "dkvrun")
}

// credential is a usable credential.
type credential struct {
	*identity.Bundle
	path     string
	shown    *tls.Certificate // nil with a token, and with external
	external *external        // nil for a credential of a cluster
	who      string           // for people
	as       string           // for programs
}

// exists reports whether there is a credential, without reading it: a file is named, or the folder has one, if only one
// that is refused.
func (s *Source) exists() bool {
	if s.File != "" || s.TokenFile != "" {
		return true
	}
	s.named.Do(func() {
		if s.Folder == "" {
			return
		}
		entries, err := os.ReadDir(s.Folder)
		for _, e := range entries {
			s.any = s.any || isCredential(e.Name())
		}
		// Without the right to read the folder nobody knows what it has.
		s.any = s.any || err != nil && !errors.Is(err, fs.ErrNotExist)
	})
	return s.any
}

// isCredential reports whether a file of the folder is read as a credential.
func isCredential(name string) bool {
	cluster, is := strings.CutSuffix(name, ".pem")
	return is && identity.CheckCluster(cluster) == nil
}

// credentials returns the usable credentials, and what is wrong with others.
func (s *Source) credentials() ([]*credential, error) {
	if !s.exists() {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); !s.read || now.Sub(s.readAt) > maxAge {
		s.found, s.err = s.load()
		s.read, s.readAt = true, now
	}
	return s.found, s.err
}

func (s *Source) load() ([]*credential, error) {
	path := cmp.Or(s.File, s.TokenFile)
	if path == "" {
		return s.loadFolder()
	}
	if s.File != "" {
		switch c, err := readExternal(path); {
		case err != nil:
			return nil, err
		case c != nil:
			return []*credential{c}, nil
		}
	}
	b, err := identity.Load(path)
	if err != nil {
		return nil, unusable(err)
	}
	if s.TokenFile != "" && b.Token == "" {
		return nil, fmt.Errorf("%s has no bearer token", path)
	}
	c, err := newCredential(b, path)
	if err != nil {
		return nil, err
	}
	return []*credential{c}, nil
}

func (s *Source) loadFolder() ([]*credential, error) {
	info, err := os.Stat(s.Folder)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, &identity.SecretError{Path: s.Folder, Reason: fmt.Sprintf(
			"others can enter the folder of credentials (mode %04o): run chmod 700 %s", mode, s.Folder)}
	}
	all, err := identity.FindAll(s.Folder)
	var out []*credential
	for _, b := range all {
		c, unfit := newCredential(b, identity.CredentialPath(s.Folder, b.Cluster))
		if unfit != nil {
			err = errors.Join(err, unfit)
			continue
		}
		out = append(out, c)
	}
	return out, err
}

// unusable describes why a file can't be read.
func unusable(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("the credential %s can't be read: %w", path.Path, path.Err)
	}
	return err
}

func newCredential(b *identity.Bundle, path string) (*credential, error) {
	c := &credential{Bundle: b, path: path}
	if b.Token != "" {
		c.who, c.as = "the bearer token for cluster "+b.Cluster, "token"
		return c, nil
	}
	id, err := b.Identity()
	if err != nil {
		return nil, fmt.Errorf("%s is not the credential of a user: %w", path, err)
	}
	c.shown, c.who, c.as = b.TLS(false), id.Describe(), id.String()
	return c, nil
}

// For returns the credential with which this run connects to managers of a cluster, and the path of its file. Callers
// must not change it. The error says why there is none.
func (s *Source) For(cluster string) (*identity.Bundle, string, error) {
	all, err := s.credentials()
	for _, c := range all {
		if c.Cluster == cluster {
			return c.Bundle, c.path, nil
		}
	}
	switch {
	case err != nil:
	case len(all) == 1 && all[0].external != nil:
		err = fmt.Errorf("the certificate of %s is not of the authority of cluster %s", all[0].path, cluster)
	default:
		err = fmt.Errorf("there is no credential for cluster %s", cluster)
	}
	return nil, "", err
}

// IsExternal reports whether the run connects with a certificate of another authority than a cluster's. Only the server
// knows for whom it stands.
func (s *Source) IsExternal() bool {
	all, _ := s.credentials()
	return len(all) == 1 && all[0].external != nil
}

// Only returns the identity of the credential with which this run connects to every secured server. It is false if
// there is none or more than one, if it is a bearer token, and if it can't be used: a connection says why.
func (s *Source) Only() (identity.Identity, bool) {
	all, _ := s.credentials()
	if len(all) != 1 {
		return identity.Identity{}, false
	}
	id, err := all[0].Identity()
	return id, err == nil
}
