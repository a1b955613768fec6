package security

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
)

// undeliveredFile holds the first admin's credential until it is where its user finds it.
const undeliveredFile pki.File = "undelivered.pem"

// adminLifetime is how long the first admin's credential is valid. Its revocation needs no expiry.
const adminLifetime = 365 * 24 * time.Hour

// Create makes a cluster, whose first member is the manager with a name: the authority, its issuers, the first lines of
// the access log, and the credential of an admin, which Undelivered returns. A crash leaves the folder of keys as a
// whole or none.
func Create(dataDir, cluster, name, admin string, now time.Time) error {
	if secured, err := IsSecured(dataDir); secured || err != nil && !IsUnfinished(err, "init") {
		return errors.Join(err, fmt.Errorf("the manager of %s is secured already", dataDir))
	}
	folder := filepath.Join(dataDir, newFolderName)
	if err := os.RemoveAll(folder); err != nil { // an interrupted init, of which nothing is known elsewhere
		return err
	}
	keys, err := pki.OpenFolder(folder)
	if err != nil {
		return err
	}
	authority, err := pki.NewAuthority(cluster, now)
	if err != nil {
		return err
	}
	c := creation{folder: folder, keys: keys, authority: authority, now: now}
	if err := keys.Save(pki.AuthorityFile, authority.Bundle()); err != nil {
		return err
	}
	if err := keys.SaveRoots(authority.Bundle().Roots); err != nil {
		return err
	}
	if c.log, err = c.startLog(); err != nil {
		return err
	}
	err = errors.Join(c.addMember(name), c.addAdmin(admin))
	if err = errors.Join(err, c.log.Close()); err != nil {
		return err
	}
	if err := failpoint.At("init.files"); err != nil {
		return err
	}
	if err := durable.Rename(folder, filepath.Join(dataDir, folderName)); err != nil {
		return err
	}
	return failpoint.At("init.renamed")
}

// creation is a cluster that is being made.
type creation struct {
	folder    string
	keys      pki.Folder
	authority *pki.Authority
	log       *access.File
	now       time.Time
}

func (c *creation) startLog() (*access.File, error) {
	log, err := access.Start(c.authority.Cluster, c.authority.Key, c.now)
	if err != nil {
		return nil, err
	}
	return access.Create(c.folder, log)
}

// add appends a line that the authority signs.
func (c *creation) add(e access.Entry) error {
	_, err := c.log.Add(func(l *access.Log) (access.Entry, error) { return l.Prepare(e, c.authority.Key, c.now) }, c.now)
	return err
}

// newIssuer makes an issuer and writes it to a file.
func newIssuer(
	keys pki.Folder, file pki.File, authority *pki.Authority, kinds []identity.Kind, now time.Time,
) (*pki.Issuer, error) {
	key, err := pki.NewKey()
	if err != nil {
		return nil, err
	}
	chain, err := authority.Admit(&key.PublicKey, kinds, now)
	if err != nil {
		return nil, err
	}
	issuer := &pki.Issuer{Chain: chain, Key: key, Roots: authority.Bundle().Roots}
	return issuer, keys.Save(file, issuer.Bundle())
}

// addMember makes the server's issuer and the line of its manager.
func (c *creation) addMember(name string) error {
	issuer, err := newIssuer(c.keys, pki.IssuerFile, c.authority, pki.ServerKinds(), c.now)
	if err != nil {
		return err
	}
	self := identity.Identity{Kind: identity.Manager, Cluster: c.authority.Cluster, Name: name}
	return c.add(access.Entry{
		Kind: access.Member, Subject: self.String(), Serial: access.Serial(issuer.Chain[0].SerialNumber),
	})
}

// addAdmin makes the issuer of users and the first admin's credential.
func (c *creation) addAdmin(name string) error {
	users, err := newIssuer(c.keys, pki.UserIssuerFile, c.authority, []identity.Kind{identity.User}, c.now)
	if err != nil {
		return err
	}
	user := identity.Identity{Kind: identity.User, Cluster: c.authority.Cluster, Name: name}
	b, err := users.Issue(pki.Leaf{Identity: user, Lifetime: adminLifetime}, c.now)
	if err != nil {
		return err
	}
	grant, err := access.GrantTo(b.Chain[0], identity.Admin)
	if err != nil {
		return err
	}
	return errors.Join(c.keys.Save(undeliveredFile, b), c.add(grant))
}
