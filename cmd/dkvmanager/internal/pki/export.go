package pki

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"

	"dkvrun/runtime/identity"
)

// MinPassphrase is the minimum length of the passphrase of an export, in bytes.
const MinPassphrase = 12

// maxExport is above the size of every export, in bytes.
const maxExport = 256 << 10

// Seal encrypts keys with a passphrase. The result is an armored file of the format age (age-encryption.org/v1), which
// the program age can decrypt as well.
func Seal(b *identity.Bundle, passphrase string) ([]byte, error) {
	if len(passphrase) < MinPassphrase {
		return nil, fmt.Errorf("the passphrase has %d characters: want at least %d, as whoever guesses it controls the cluster",
			len(passphrase), MinPassphrase)
	}
	text, err := b.Encode()
	if err != nil {
		return nil, err
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = errors.Join(w.Close(), armored.Close())
	return out.Bytes(), err
}

// Unseal decrypts what Seal made. The error does not show the passphrase.
func Unseal(sealed io.Reader, passphrase string) (*identity.Bundle, error) {
	key, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	in, err := age.Decrypt(armor.NewReader(io.LimitReader(sealed, maxExport)), key)
	if wrong := new(age.NoIdentityMatchError); errors.As(err, &wrong) {
		return nil, errors.New("can't be decrypted: the passphrase is wrong")
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(in)
	}
	if err != nil {
		return nil, errors.New("can't be decrypted: it is no export of an authority, or is damaged")
	}
	b, err := identity.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("holds something that is no key: it %w", err)
	}
	return b, nil
}
