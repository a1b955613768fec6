package security

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"dkvrun/runtime/access"
	"dkvrun/runtime/durable"
)

// burntFile keeps the bearer tokens that came to a manager without TLS, as a JSON list. Whoever is on the network may
// have read them, so they count no longer.
//
// It holds the tokens themselves and not their hashes, which are in the access log: managers tell each other of them,
// and only who has seen a token can make it count no longer.
const burntFile = "burnt.json"

// errBurnt is the refusal of a burnt token.
var errBurnt = errors.New("this bearer token came without TLS once, and counts no longer: " +
	"dkvmanager credential --token makes another one")

// burnt are the burnt tokens.
type burnt struct {
	path string

	lock   sync.Mutex
	tokens []string
	// unsaved is true while the file does not have all of them.
	unsaved bool
}

func openBurnt(folder string) (*burnt, error) {
	b := &burnt{path: filepath.Join(folder, burntFile)}
	text, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &b.tokens)
	}
	if err != nil {
		return nil, fmt.Errorf("the bearer tokens in %s, which count no longer, can't be read: %w: restore the file, or delete it after "+
			"dkvmanager revoke of all who have a bearer token", b.path, err)
	}
	return b, nil
}

// has reports whether a token is burnt.
func (b *burnt) has(token string) bool {
	b.lock.Lock()
	defer b.lock.Unlock()
	return slices.Contains(b.tokens, token)
}

// list returns the burnt tokens.
func (b *burnt) list() []string {
	b.lock.Lock()
	defer b.lock.Unlock()
	return slices.Clone(b.tokens)
}

// hashes returns the hashes of the burnt tokens, as the access log has them.
func (b *burnt) hashes() map[access.Hash]bool {
	out := map[access.Hash]bool{}
	for _, text := range b.list() {
		if t, err := access.ParseBearerToken(text); err == nil {
			out[t.Hash()] = true
		}
	}
	return out
}

// add burns a token durably. It reports whether a state of the access log has the token; of any other text nothing is
// kept.
func (b *burnt) add(token string, state *access.State) (bool, error) {
	is := func(text string) bool {
		t, err := access.ParseBearerToken(text)
		_, known := state.Bearers[t.Hash()]
		return err == nil && known
	}
	if !is(token) {
		return false, nil
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	burnt := slices.Contains(b.tokens, token)
	if burnt && !b.unsaved {
		return true, nil
	}
	// Of tokens that the access log has no longer, which are revoked, nothing need be kept. What it has not because of a
	// branch may come back.
	tokens := slices.Clone(b.tokens)
	if len(state.Forks) == 0 {
		tokens = slices.DeleteFunc(tokens, func(old string) bool { return !is(old) })
	}
	if !burnt {
		tokens = append(tokens, token)
	}
	text, err := json.Marshal(tokens)
	if err != nil {
		return true, err
	}
	b.tokens, b.unsaved = tokens, true
	if err := durable.Replace(b.path, text, durable.Options{Mode: 0o600}); err != nil {
		return true, fmt.Errorf("a bearer token that came without TLS can't be revoked: %w", err)
	}
	b.unsaved = false
	return true, nil
}
