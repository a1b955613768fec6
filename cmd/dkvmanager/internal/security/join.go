package security

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// joiningFile holds the key of a server that is joining, until it has the certificate: the cluster lets the same key
// ask again with the same token, if the answer was lost.
const joiningFile = "joining.key"

// TokenError is a join token, or a request to join, that is refused.
type TokenError struct{ Err error }

func (e *TokenError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *TokenError) Unwrap() error { return e.Err }

// Join lets a server join. The request's key, which it proves to have, becomes that of the server's issuer. The use of
// the token is on disk before Join returns the certificate. A refusal is a *TokenError.
func (m *Member) Join(r wire.Join) (wire.Joined, error) {
	authority, err := m.holding()
	if err != nil && m.State().Holder != m.self.Name {
		err = fmt.Errorf("%w, but on that of %s: give join its address", ErrNoAuthority, m.holder())
	}
	if err != nil {
		return wire.Joined{}, err
	}
	token, err := access.ParseJoinToken(r.Token)
	if err != nil {
		return wire.Joined{}, &TokenError{err}
	}
	key, err := identity.ParseRequest([]byte(r.Request))
	if err != nil {
		return wire.Joined{}, &TokenError{err}
	}
	hash, err := pki.HashPublicKey(key)
	if err != nil {
		return wire.Joined{}, &TokenError{err}
	}
	joining := identity.Identity{Kind: identity.Manager, Cluster: m.self.Cluster, Name: r.Identity}
	if err := joining.Check(); err != nil {
		return wire.Joined{}, &TokenError{err}
	}
	if err := wire.CheckURL(r.URL); err != nil {
		return wire.Joined{}, &TokenError{fmt.Errorf("the manager's URL %w", err)}
	}
	now := m.now()
	if err := m.State().MayJoin(token.Hash(), access.Hash(hash), r.Identity, now); err != nil {
		return wire.Joined{}, &TokenError{err}
	}
	chain, err := authority.Admit(key, pki.ServerKinds(), now)
	if err != nil {
		return wire.Joined{}, err
	}
	err = m.sign(access.Entry{
		Kind: access.Member, Subject: joining.String(), Serial: access.Serial(chain[0].SerialNumber),
		Of: token.Hash(), Joining: access.Hash(hash),
	})
	var refused *access.LineError
	if errors.As(err, &refused) { // the token was used or revoked in between
		return wire.Joined{}, &TokenError{refused.Err}
	}
	if err == nil {
		err = failpoint.At("join.burnt")
	}
	if err == nil {
		err = m.Learn(r.Identity, r.URL, true)
	}
	if err != nil {
		return wire.Joined{}, err
	}
	return wire.Joined{
		Cluster: m.self.Cluster, Manager: m.self.Name, Issuer: certificates(chain), Roots: certificates(m.ring().roots),
		Access: string(m.log.First()),
	}, nil
}

// sign appends a line to the access log that the authority signs.
func (m *Member) sign(e access.Entry) error {
	authority, err := m.holding()
	if err != nil {
		return err
	}
	now := m.now()
	_, err = m.log.Add(func(l *access.Log) (access.Entry, error) { return l.Prepare(e, authority.Key, now) }, now)
	return err
}

// signAuthority appends the line that adds the next authority, which it and the present one sign.
func (m *Member) signAuthority(next *pki.Authority) error {
	authority, err := m.holding()
	if err != nil {
		return err
	}
	now := m.now()
	_, err = m.log.Add(func(l *access.Log) (access.Entry, error) {
		return l.PrepareAuthority(next.Key, authority.Key, now)
	}, now)
	return err
}

// certificates returns certificates as PEM.
func certificates(chain []*x509.Certificate) string {
	var out bytes.Buffer
	for _, c := range chain {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // fails only for invalid headers
	}
	return out.String()
}

// Joining is a server that is joining a cluster.
type Joining struct {
	dataDir string
	name    string
	again   bool
	token   access.JoinToken
	folder  string // where the new key and certificates are written
	keys    pki.Folder
	key     *ecdsa.PrivateKey
}

// BeginJoin prepares a manager to join with a token. Again means that it is secured, and gets a new issuer. The key is
// on disk before it is used; one that an interrupted attempt left is used again.
func BeginJoin(dataDir, name string, token access.JoinToken, again bool) (*Joining, error) {
	j := &Joining{dataDir: dataDir, name: name, token: token, again: again}
	j.folder = filepath.Join(dataDir, newFolderName)
	if again {
		j.folder = filepath.Join(dataDir, folderName)
	}
	var err error
	if j.keys, err = pki.OpenFolder(j.folder); err != nil {
		return nil, err
	}
	if j.key, err = readJoiningKey(j.folder); err == nil {
		return j, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if j.key, err = pki.NewKey(); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(j.key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := durable.Replace(filepath.Join(j.folder, joiningFile), text, durable.Options{Mode: 0o600}); err != nil {
		return nil, err
	}
	return j, failpoint.At("join.key")
}

// readJoiningKey reads the key of a server that is joining. The error is fs.ErrNotExist if there is none.
func readJoiningKey(folder string) (*ecdsa.PrivateKey, error) {
	path := filepath.Join(folder, joiningFile)
	text, err := identity.ReadSecret(path)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block != nil {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, is := key.(*ecdsa.PrivateKey); is {
				return key, nil
			}
		}
	}
	return nil, fmt.Errorf("the key %s can't be read: delete the file, and join with a new token", path)
}

// Request returns the request to join, for a manager that others reach at a URL.
func (j *Joining) Request(url string) (wire.Join, error) {
	request, err := identity.NewRequest(j.key)
	if err != nil {
		return wire.Join{}, err
	}
	return wire.Join{Token: j.token.Text(), Request: string(request), Identity: j.name, URL: url}, nil
}

// Complete checks an answer, which must be for this server's key and vouched for by the root that the token names, and
// writes the keys. Server is the URL of the manager that answered. A crash leaves the manager as it was, or secured.
func (j *Joining) Complete(answer wire.Joined, server string, now time.Time) error {
	issuer, log, err := j.check(answer, now)
	if err != nil {
		return fmt.Errorf("the answer to the request to join can't be used: %w", err)
	}
	if j.again {
		return j.replace(issuer, log, now)
	}
	if err := writeAddresses(j.folder, []wire.Manager{{Identity: answer.Manager, URL: server}}); err != nil {
		return err
	}
	if err := j.writeKeys(issuer); err != nil {
		return err
	}
	// An earlier attempt may have left a log.
	if err := removeLogs(j.folder); err != nil {
		return err
	}
	file, err := access.Create(j.folder, log)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Close(), failpoint.At("join.files")); err != nil {
		return err
	}
	if err := durable.Rename(j.folder, filepath.Join(j.dataDir, folderName)); err != nil {
		return err
	}
	return failpoint.At("join.renamed")
}

func (j *Joining) writeKeys(issuer *pki.Issuer) error {
	if err := j.keys.SaveRoots(issuer.Roots); err != nil {
		return err
	}
	return j.keys.Save(pki.IssuerFile, issuer.Bundle())
}

// removeLogs removes what an interrupted attempt wrote of the access log, which nothing has relied on.
func removeLogs(folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, "access*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// replace gives a secured manager a new issuer. The manager's certificate is made of it when the keys are opened.
func (j *Joining) replace(issuer *pki.Issuer, log *access.Log, now time.Time) error {
	file, err := access.Open(j.folder, keyHashes(issuer.Roots))
	var damage *access.DamageError
	switch {
	case errors.As(err, &damage):
		if err := access.SetAside(j.folder); err != nil {
			return err
		}
		fallthrough
	case errors.Is(err, fs.ErrNotExist):
		file, err = access.Create(j.folder, log)
	}
	if err != nil {
		return err
	}
	if got, cluster := log.State().Cluster, file.State().Cluster; got != cluster {
		err = fmt.Errorf("it is of cluster %s, and this manager is of cluster %s", got, cluster)
	} else {
		// With the line of the new issuer the manager knows that it is a member.
		_, err = file.Merge(log.First(), now)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return j.writeKeys(issuer)
}

// check checks an answer.
func (j *Joining) check(answer wire.Joined, now time.Time) (*pki.Issuer, *access.Log, error) {
	log, err := access.Read([]byte(answer.Access), []access.Hash{access.Hash(j.token.Root)})
	if err != nil {
		return nil, nil, err
	}
	state := log.State()
	roots, err := identity.DecodeRoots([]byte(answer.Roots))
	if err != nil {
		return nil, nil, fmt.Errorf("its list of roots %w", err)
	}
	var trusted []*x509.Certificate
	for _, c := range roots {
		if state.Roots[access.Hash(identity.HashKey(c))] != nil {
			trusted = append(trusted, c)
		}
	}
	if _, err := identity.RootByHash(trusted, j.token.Root); err != nil {
		return nil, nil, err
	}
	chain, err := identity.DecodeRoots([]byte(answer.Issuer)) // authorities as well
	if err != nil {
		return nil, nil, fmt.Errorf("its issuer %w", err)
	}
	if !j.key.PublicKey.Equal(chain[0].PublicKey) {
		return nil, nil, errors.New("its certificate is for another key")
	}
	issuer, err := pki.IssuerOf(&identity.Bundle{Chain: chain, Key: j.key, Roots: trusted})
	if err != nil {
		return nil, nil, fmt.Errorf("its certificate %w", err)
	}
	self := identity.Identity{Kind: identity.Manager, Cluster: state.Cluster, Name: j.name}
	leaf, err := issuer.Issue(pki.Leaf{Identity: self}, now)
	if err != nil {
		return nil, nil, err
	}
	if _, err := leaf.Policy(func() time.Time { return now }, identity.Manager).Admit(leaf.Chain); err != nil {
		return nil, nil, err
	}
	return issuer, log, nil
}

// removeUsedKey removes the key of the attempt to join by which this manager got its issuer.
func (m *Member) removeUsedKey() error {
	key, err := readJoiningKey(m.path)
	if err != nil || !key.Equal(m.ring().issuer.Key) {
		return nil // there is none, or an attempt to join again isn't complete
	}
	return os.Remove(filepath.Join(m.path, joiningFile))
}
