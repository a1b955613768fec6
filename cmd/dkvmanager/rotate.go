package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// surveyor asks all members of the cluster for their certificates, and returns who still needs the old authority. It is
// nil if the manager doesn't serve.
type surveyor func(*security.Member) []string

// rotate begins the rotation of the authority. While one is in progress it completes what a crash has interrupted, and
// says what comes next: so it can be repeated, and two administrators can begin at once.
func rotate(m *security.Member) (string, error) {
	text := "A new authority signs from now on, and the old one is still trusted. Export the key of the new one:\n" +
		"dkvmanager pki export. An earlier export is of use only until the end, to take this back.\n"
	if m.Rotation().InProgress() {
		text = "The authority is being replaced already.\n"
	}
	if err := m.Rotation().Begin(); err != nil {
		return "", err
	}
	return text + m.Rotation().Next(), nil
}

// endRotation ends the rotation of the authority if nothing needs the old one any more. It does nothing where none is
// in progress, as after the rotation's end: so it can be repeated, and begins no further one.
func endRotation(m *security.Member, survey surveyor) (string, error) {
	rotation := m.Rotation()
	if !rotation.InProgress() {
		return "No rotation of the authority is in progress: one authority is trusted, and pki rotate without --end begins one.\n", nil
	}
	if err := rotation.Begin(); err != nil {
		return "", err
	}
	if survey == nil {
		return "", errors.New("the rotation of the authority is in progress, and its last step asks all managers: start the manager of this server")
	}
	if left := append(rotation.Blockers(), survey(m)...); len(left) > 0 {
		return "", fmt.Errorf("the old authority is still needed, and stays:\n  %s\nwhen this is done: dkvmanager pki rotate --end again",
			strings.Join(left, "\n  "))
	}
	if err := rotation.Retire(); err != nil {
		return "", err
	}
	return "The old authority is trusted no longer. Run scripts/rotate_authority.lua once more: running instances\n" +
		"still trust it where they connect to each other, until they are restarted. Join tokens and exports of\n" +
		"the key that were made before are of no use any more.\n", nil
}

// abortRotation takes a rotation of the authority back.
func abortRotation(m *security.Member) (string, error) {
	if err := m.Rotation().Abort(); err != nil {
		return "", err
	}
	return "The old authority stays, and the servers get certificates of it within seconds. Run scripts/rotate_authority.lua:\n" +
		"it waits for that. Exports of the new authority's key are of no use any more. If somebody else may have that key,\n" +
		"replace the authority now, with dkvmanager pki rotate: what the key signs is accepted until that ends.\n", nil
}

// maxSurvey is the maximum number of managers that are asked for certificates at a time.
const maxSurvey = 16

// survey returns what still needs an authority that is being replaced, by the certificates that all members show.
func (p *puller) survey(ctx context.Context) surveyor {
	return func(m *security.Member) []string {
		state := m.State()
		names := state.Authorities()
		newest := names[len(names)-1].String()
		urls := map[string]string{m.Identity().Name: p.url}
		for _, other := range p.others() {
			urls[other.Identity] = other.URL
		}
		members := slices.Sorted(maps.Keys(state.Members))
		found := make([][]string, len(members))
		var all sync.WaitGroup
		places := make(chan struct{}, maxSurvey)
		for i, name := range members {
			all.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				found[i] = p.needs(ctx, wire.Manager{Identity: name, URL: urls[name]}, newest)
			})
		}
		all.Wait()
		return slices.Concat(found...)
	}
}

// needs returns what still needs an old authority at one manager.
func (p *puller) needs(ctx context.Context, at wire.Manager, newest string) []string {
	who := "manager " + at.Identity
	if at.URL == "" {
		return []string{who + ": its address is not known: start it, or revoke it if it is gone for good"}
	}
	who += " (" + at.URL + ")"
	_, text, err := p.request(ctx, at.URL, wire.CertificatesPath())
	var answer wire.Certificates
	if err == nil {
		err = wire.DecodeAnswer(text, &answer)
	}
	if err != nil {
		return []string{fmt.Sprintf("%s: does not tell its certificates: start it, or revoke it if it is gone for good: %v", who, err)}
	}
	var out []string
	for _, c := range answer.Certificates {
		of := who
		if c.Instance != "" {
			of = c.Store + "/" + c.Instance
		}
		out = append(out, needsOld(of, c, newest)...)
	}
	return out
}

// needsOld returns why one certificate, or who shows it, still needs an old authority.
func needsOld(of string, c wire.Certificate, newest string) []string {
	var out []string
	add := func(format string, values ...any) { out = append(out, of+": "+fmt.Sprintf(format, values...)) }
	restart := fmt.Sprintf("restart_store{%q, rolling = true}", c.Store)
	switch {
	case c.Serial == "" && c.Problem == "": // without TLS, or never started
		return nil
	case c.Problem != "":
		add("%s", c.Problem)
	case c.Authority != newest:
		add("only the old authority vouches for its certificate: the manager gets another one within seconds")
	case !slices.Contains(c.Authorities, newest):
		add("does not know the new authority yet: it hears of it within seconds")
	case len(c.PeerAuthorities) > 0 && !slices.Contains(c.PeerAuthorities, newest):
		add("trusts the old authority alone where it connects to other instances: %s", restart)
	}
	instances := 0
	for _, client := range c.OldClients {
		if id, err := identity.Parse(client); err == nil && id.Kind == identity.Instance {
			if instances++; instances == 1 {
				add("instances have connections with certificates of the old authority: %s", restart)
			}
			continue
		}
		add("%s has a connection with a certificate of the old authority: give it its new file, and let it connect again", client)
	}
	return out
}

// updatedFile is the answer to the command update: what the file of a credential should have, PEM.
type updatedFile struct {
	Chain string `json:"chain"`
	Roots string `json:"roots"`
}

// update returns the chain and the roots for the file of a credential, of which the request has the chain.
func update(m *security.Member, pem string) (string, error) {
	b := &identity.Bundle{}
	if pem != "" {
		var err error
		if b.Chain, err = identity.DecodeChain([]byte(pem)); err != nil {
			return "", fmt.Errorf("the credential %w", err)
		}
	}
	chain, roots, err := m.Rotation().Update(b.Chain)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(updatedFile{string(identity.EncodeRoots(chain)), string(identity.EncodeRoots(roots))})
	return string(text), err
}

// updateCredential writes a credential anew with the certificates of the present authority. The key stays here: only
// the certificates are sent to the manager.
func (c *securityCommand) updateCredential(ctx context.Context, stdout io.Writer) error {
	b, err := identity.Load(c.update)
	if err != nil {
		return err
	}
	if c.out != "" {
		if err := reserve(c.out); err != nil {
			return err
		}
	}
	c.Chain = string(identity.EncodeRoots(b.Chain))
	text, err := control(ctx, c.dataDir, c.controlRequest)
	var answer updatedFile
	if err == nil {
		err = json.Unmarshal([]byte(text), &answer)
	}
	if err == nil && answer.Chain != "" {
		b.Chain, err = identity.DecodeChain([]byte(answer.Chain))
	}
	if err == nil {
		b.Roots, err = identity.DecodeRoots([]byte(answer.Roots))
	}
	return c.deliver(b, err, stdout)
}

// deliver writes a credential to the file for it, or else to standard output. After an error the file is removed.
func (c *securityCommand) deliver(b *identity.Bundle, err error, stdout io.Writer) error {
	var text []byte
	if err == nil {
		text, err = b.Encode()
	}
	switch {
	case err == nil && c.out == "":
		_, err = stdout.Write(text)
	case err == nil:
		err = durable.Replace(c.out, text, durable.Options{Mode: 0o600})
	case c.out != "":
		err = errors.Join(err, os.Remove(c.out))
	}
	return err
}
