package pki

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
)

// File is the name of a file in the folder of keys. Each file has a key together with its certificates, so that a crash
// never leaves a key beside the certificate of another one.
type File string

// The files.
const (
	AuthorityFile  File = "authority.pem"   // the root; on the server that made the cluster, or where it was exported to
	UserIssuerFile File = "user-issuer.pem" // the issuer of users' certificates, on the same server
	IssuerFile     File = "issuer.pem"      // the server's issuer
	ManagerFile    File = "manager.pem"     // the manager's certificate
	// NextAuthorityFile is the root that is about to replace that of AuthorityFile.
	NextAuthorityFile File = "next-authority.pem"
	// PreviousAuthorityFile is the root that is being replaced, until its replacement ends.
	PreviousAuthorityFile File = "previous-authority.pem"
)

// RootsFile has the certificates of the trusted roots, and no key.
const RootsFile = "roots.pem"

// Folder is a folder of keys, which only its owner can enter.
type Folder struct{ path string }

// OpenFolder opens the folder of keys, and makes it if it is missing. It refuses one that others can enter.
func OpenFolder(path string) (Folder, error) {
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		if err := durable.MakeFolder(path, 0o700); err != nil {
			return Folder{}, err
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return Folder{}, err
	}
	if !info.IsDir() {
		return Folder{}, fmt.Errorf("%s is not a folder", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return Folder{}, fmt.Errorf("refusing the keys in %s: others can enter the folder (mode %04o): run chmod 700 %s", path, mode, path)
	}
	return Folder{path}, nil
}

// Path returns the path of a file.
func (f Folder) Path(file File) string { return filepath.Join(f.path, string(file)) }

// Save writes a file, durably.
func (f Folder) Save(file File, b *identity.Bundle) error { return b.Save(f.Path(file)) }

// Load reads a file. The error is fs.ErrNotExist if it is missing.
func (f Folder) Load(file File) (*identity.Bundle, error) { return identity.Load(f.Path(file)) }

// Remove removes a file, if it is there.
func (f Folder) Remove(file File) error {
	if err := os.Remove(f.Path(file)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// SaveRoots writes the trusted roots, durably.
func (f Folder) SaveRoots(roots []*x509.Certificate) error {
	return durable.Replace(filepath.Join(f.path, RootsFile), identity.EncodeRoots(roots), durable.Options{Mode: 0o644})
}

// LoadRoots reads the trusted roots.
func (f Folder) LoadRoots() ([]*x509.Certificate, error) {
	path := filepath.Join(f.path, RootsFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots, err := identity.DecodeRoots(text)
	if err != nil {
		return nil, fmt.Errorf("the file %s %w", path, err)
	}
	return roots, nil
}
