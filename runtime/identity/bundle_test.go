package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func block(kind string, data []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data})
}

func TestBundle_SaveAndFind(t *testing.T) {
	dir := t.TempDir()
	root := (*pair)(nil).make(authority)
	issuer := root.issuer("user.prod")
	b := bundle(root, issuer.leaf("dkv://user.prod/a"), issuer)
	path := CredentialPath(dir, "prod")
	if err := b.Save(path); err != nil {
		t.Fatal(err)
	}
	if info := must(os.Stat(path)); info.Mode().Perm() != 0o600 || path != filepath.Join(dir, "prod.pem") {
		t.Errorf("%s has mode %v", path, info.Mode())
	}
	got := must(Find(dir, "prod"))
	if id := must(got.Identity()); id.String() != "dkv://user.prod/a" || got.Cluster != "prod" || len(got.Chain) != 2 ||
		len(got.Roots) != 1 || !got.Key.Equal(b.Key) || !got.Roots[0].Equal(root.cert) {
		t.Errorf("got %s of %+v", id, got)
	}
	if !bytes.Equal(must(got.Encode()), must(b.Encode())) {
		t.Error("the file changes when it is written again")
	}
	if n := len(got.TLS(false).Certificate); n != 2 {
		t.Errorf("%d certificates are sent, want 2", n)
	}
	if n := len(got.TLS(true).Certificate); n != 3 {
		t.Errorf("%d certificates are sent with the root, want 3", n)
	}
	if _, err := Find(dir, "test"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Find(dir, "../prod"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := b.Save(CredentialPath(dir, "test")); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(dir, "test"); err == nil || !strings.Contains(err.Error(), `is for cluster "prod"`) {
		t.Errorf("got %v", err)
	}
}

func TestBundle_FindAll(t *testing.T) {
	dir := t.TempDir()
	if all, err := FindAll(filepath.Join(dir, "none")); len(all) != 0 || err != nil {
		t.Errorf("got %d, %v", len(all), err)
	}
	root := (*pair)(nil).make(authority)
	for _, cluster := range []string{"b", "a"} {
		b := bundle(root, root.leaf("dkv://user."+cluster+"/x"))
		if err := b.Save(CredentialPath(dir, cluster)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"c.pem", "No.pem", "d.txt", "a.pem.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := FindAll(dir)
	if len(all) != 2 || all[0].Cluster != "a" || all[1].Cluster != "b" {
		t.Errorf("got %d", len(all))
	}
	if err == nil || !strings.Contains(err.Error(), "run chmod 600 "+filepath.Join(dir, "c.pem")) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestBundle_Token(t *testing.T) {
	root := (*pair)(nil).make(authority)
	path := filepath.Join(t.TempDir(), "token")
	b := &Bundle{Token: "dkvb1-abc", Cluster: "prod", Roots: chain(root)}
	if err := b.Save(path); err != nil {
		t.Fatal(err)
	}
	got := must(Load(path))
	if got.Token != "dkvb1-abc" || got.Cluster != "prod" || got.Key != nil || len(got.Chain) != 0 || len(got.Roots) != 1 {
		t.Errorf("got %+v", got)
	}
	if _, err := got.Identity(); problem(err) != NoCertificate {
		t.Errorf("got %v", err)
	}
}

func TestBundle_Refusals(t *testing.T) {
	root := (*pair)(nil).make(authority)
	leaf, other := root.leaf("dkv://user.prod/a"), root.leaf("dkv://user.prod/b")
	cert, rootCert := block(pemCertificate, leaf.cert.Raw), block(pemCertificate, root.cert.Raw)
	key := func(key any) []byte { return block(pemKey, must(x509.MarshalPKCS8PrivateKey(key))) }
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	whole := slices.Concat(cert, key(leaf.key), rootCert)
	token := pem.EncodeToMemory(&pem.Block{Type: pemToken, Bytes: []byte("t"),
		Headers: map[string]string{clusterHeader: "prod"}})
	badToken := pem.EncodeToMemory(&pem.Block{Type: pemToken, Bytes: []byte("t\r\nX: y"),
		Headers: map[string]string{clusterHeader: "prod"}})
	many := slices.Clone(whole)
	for range maxCertificates {
		many = append(many, rootCert...)
	}
	if _, err := Decode(whole); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":                {nil, "neither a key nor a token"},
		"no PEM":               {[]byte("hello"), "no PEM block"},
		"text before":          {append([]byte("hello\n"), whole...), "no PEM block"},
		"text after":           {append(slices.Clone(whole), "hello"...), "no PEM block"},
		"cut off":              {whole[:len(whole)-40], "cut off"},
		"a block that is cut":  {slices.Concat(cert, key(leaf.key)[:80], []byte("\n"), rootCert), "cut off"},
		"key of another":       {slices.Concat(cert, key(other.key), rootCert), "not that of its first"},
		"key first":            {slices.Concat(key(leaf.key), cert, rootCert), "no certificate before its key"},
		"no key":               {slices.Concat(cert, rootCert), "neither a key nor a token"},
		"no root":              {slices.Concat(cert, key(leaf.key)), "no certificate of the cluster's authority"},
		"a leaf as root":       {slices.Concat(cert, key(leaf.key), cert), "not an authority's"},
		"two keys":             {slices.Concat(cert, key(leaf.key), key(leaf.key), rootCert), "more than one secret"},
		"key and token":        {slices.Concat(cert, key(leaf.key), token, rootCert), "more than one secret"},
		"certificate of token": {slices.Concat(cert, token, rootCert), "a certificate without a key"},
		"token, no cluster":    {slices.Concat(block(pemToken, []byte("t")), rootCert), "no valid header Cluster"},
		"token of two lines":   {slices.Concat(badToken, rootCert), "not a token's text"},
		"Ed25519":              {slices.Concat(cert, key(ed), rootCert), "not ECDSA"},
		"no key's bytes":       {slices.Concat(cert, block(pemKey, []byte("secret")), rootCert), "a key that can't be read"},
		"no certificate":       {slices.Concat(block(pemCertificate, []byte("x")), key(leaf.key), rootCert), "a certificate that can't be read"},
		"an encrypted key":     {slices.Concat(cert, block("ENCRYPTED PRIVATE KEY", []byte("x")), rootCert), `unknown type "ENCRYPTED PRIVATE KEY"`},
		"too many":             {many, "more than 16 certificates"},
		"too large":            {bytes.Repeat([]byte("\n"), maxSecret+1), "larger than 64 KiB"},
	} {
		_, err := Decode(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret\"") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	for name, b := range map[string]*Bundle{
		"no root":    {Chain: chain(leaf), Key: leaf.key},
		"other key":  {Chain: chain(leaf), Key: other.key, Roots: chain(root)},
		"no cluster": {Token: "t", Roots: chain(root)},
	} {
		path := filepath.Join(t.TempDir(), "x")
		if err := b.Save(path); err == nil {
			t.Errorf("%s: saved", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: a file was made", name)
		}
	}
	if _, err := DecodeRoots(slices.Concat(rootCert, rootCert)); err != nil {
		t.Error(err)
	}
	for name, text := range map[string][]byte{"none": nil, "a leaf": cert,
		"a key": append(slices.Clone(rootCert), key(leaf.key)...), "a token": token} {
		if roots, err := DecodeRoots(text); err == nil {
			t.Errorf("%s is taken as %d roots", name, len(roots))
		}
	}
}

func TestSecret_ModeAndOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write := func(mode fs.FileMode) {
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for mode, ok := range map[fs.FileMode]bool{
		0o600: true, 0o400: true, 0o700: true, 0o640: false, 0o604: false, 0o620: false, 0o602: false, 0o644: false,
		0o777: false, 0o601: false,
	} {
		write(mode)
		text, err := ReadSecret(path)
		if ok != (err == nil) || ok && string(text) != "x" {
			t.Errorf("mode %04o: got %q, %v", mode, text, err)
		}
		if !ok && (!errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "run chmod 600 "+path)) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	write(0o600)
	if err := os.WriteFile(path, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecret(path); err == nil || !strings.Contains(err.Error(), "larger than 64 KiB") {
		t.Errorf("a large file: %v", err)
	}
	if _, err := ReadSecret(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a folder: %v", err)
	}
	if err := checkOwner(path, 1234, 1000); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "another user (1234)") {
		t.Errorf("another user's file: %v", err)
	}
	for _, owner := range []uint32{0, 1000} {
		if err := checkOwner(path, owner, 1000); err != nil {
			t.Errorf("a file of user %d: %v", owner, err)
		}
	}
}

func FuzzBundle_Decode(f *testing.F) {
	root := (*pair)(nil).make(authority)
	leaf := root.leaf("dkv://user.prod/a")
	f.Add(must(bundle(root, leaf).Encode()))
	f.Add(must((&Bundle{Token: "t", Cluster: "prod", Roots: chain(root)}).Encode()))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Decode(text)
		if err != nil {
			return
		}
		again, err := b.Encode()
		if err != nil {
			t.Fatalf("a bundle that was read can't be written: %v", err)
		}
		c, err := Decode(again)
		if err != nil || c.Cluster != b.Cluster || c.Token != b.Token || len(c.Chain) != len(b.Chain) ||
			len(c.Roots) != len(b.Roots) {
			t.Errorf("written and read again it is %+v, %v; it was %+v", c, err, b)
		}
		if b.Key != nil && b.Key.Curve != elliptic.P256() {
			t.Errorf("a key on %s", b.Key.Curve.Params().Name)
		}
	})
}
