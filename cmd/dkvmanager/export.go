package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
)

// exportAuthority writes the authority with its key to a new file, encrypted with a passphrase.
func (c *securityCommand) exportAuthority(ctx context.Context, stdout io.Writer) error {
	passphrase, err := c.passphrase(ctx, true)
	if err != nil {
		return err
	}
	if err := reserve(c.out); err != nil {
		return err
	}
	text, err := control(ctx, c.dataDir, c.controlRequest)
	var b *identity.Bundle
	if err == nil {
		b, err = identity.Decode([]byte(text))
	}
	var sealed []byte
	if err == nil {
		sealed, err = pki.Seal(b, passphrase)
	}
	if err == nil {
		err = durable.Replace(c.out, sealed, durable.Options{Mode: 0o600})
	}
	if err != nil {
		_ = os.Remove(c.out)
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s has the key of the authority of cluster %s, encrypted: keep it and the passphrase in different places\n",
		c.out, b.Chain[0].Subject.Organization[0])
	return err
}

// importAuthority lets the manager of a data folder hold the authority whose key an export has.
func (c *securityCommand) importAuthority(ctx context.Context, stdout io.Writer) error {
	sealed, err := os.ReadFile(c.Name)
	if err != nil {
		return err
	}
	passphrase, err := c.passphrase(ctx, false)
	if err != nil {
		return err
	}
	b, err := pki.Unseal(bytes.NewReader(sealed), passphrase)
	if err != nil {
		return fmt.Errorf("the file %s %w", c.Name, err)
	}
	text, err := b.Encode()
	if err != nil {
		return err
	}
	c.Key = string(text)
	said, err := control(ctx, c.dataDir, c.controlRequest)
	if err == nil {
		_, err = io.WriteString(stdout, said)
	}
	return err
}

// passphrase reads the passphrase of an export from the file that the command line names, or else from the terminal,
// which does not show it. A new one is read twice.
func (c *securityCommand) passphrase(ctx context.Context, fresh bool) (string, error) {
	if c.passphraseFile != "" {
		text, err := identity.ReadSecret(c.passphraseFile)
		if err != nil {
			return "", fmt.Errorf("--passphrase-file: %w", err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		return checkPassphrase(strings.TrimSuffix(first, "\r"), fresh)
	}
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", errors.New("there is no terminal to ask for the passphrase: give --passphrase-file FILE, which only you may read")
	}
	defer terminal.Close()
	first, err := askSecret(ctx, terminal, "Passphrase of the export: ")
	if err == nil {
		first, err = checkPassphrase(first, fresh)
	}
	if err != nil || !fresh {
		return first, err
	}
	again, err := askSecret(ctx, terminal, "The same passphrase again: ")
	if err == nil && again != first {
		err = errors.New("the two passphrases differ: nothing was exported")
	}
	return first, err
}

// checkPassphrase refuses a passphrase that an export can't have.
func checkPassphrase(text string, fresh bool) (string, error) {
	if text == "" || fresh && len(text) < pki.MinPassphrase {
		return "", fmt.Errorf("the passphrase has %d characters: want at least %d", len(text), pki.MinPassphrase)
	}
	return text, nil
}

// reserve makes a new empty file that only its owner may read. So whether it can be written is known before its content
// is made, and no file is overwritten. An empty file that is there is one that a command has left which was killed.
func reserve(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if there, err := os.Lstat(path); err == nil && there.Mode() == 0o600 && there.Size() == 0 {
			return nil
		}
		return fmt.Errorf("%s exists: name a new file, or move it away", path)
	}
	if err != nil {
		return err
	}
	return f.Close()
}
