package security

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"dkvrun/runtime/durable"
	"dkvrun/runtime/wire"
)

// addressFile keeps where the other members were reached last, as JSON: a URL for each identity. It only saves asking:
// TLS checks who answers there.
const addressFile = "addresses.json"

// addresses are the URLs of other managers.
type addresses struct {
	path string

	lock sync.Mutex
	urls map[string]string // by identity
}

// openAddresses reads the addresses. A file that can't be read is taken for an empty one: stores and other managers
// name addresses as well.
func openAddresses(folder string) (*addresses, error) {
	a := &addresses{path: filepath.Join(folder, addressFile), urls: map[string]string{}}
	text, err := os.ReadFile(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(text, &a.urls) != nil || a.urls == nil {
		a.urls = map[string]string{}
	}
	maps.DeleteFunc(a.urls, func(_, url string) bool { return wire.CheckURL(url) != nil })
	return a, nil
}

// writeAddresses writes the first addresses to a folder of keys.
func writeAddresses(folder string, managers []wire.Manager) error {
	urls := map[string]string{}
	for _, m := range managers {
		urls[m.Identity] = m.URL
	}
	return (&addresses{path: filepath.Join(folder, addressFile)}).save(urls)
}

func (a *addresses) save(urls map[string]string) error {
	text, err := json.Marshal(urls)
	if err != nil {
		return err
	}
	return durable.Replace(a.path, text, durable.Options{Mode: 0o600})
}

// Learn keeps the URL of another member. One that the member hasn't stated itself is kept only if there is no other.
func (m *Member) Learn(name, url string, stated bool) error {
	if err := wire.CheckURL(url); err != nil {
		return fmt.Errorf("the manager's URL %w", err)
	}
	members := m.State().Members
	if _, is := members[name]; !is || name == m.self.Name {
		return nil
	}
	a := m.addresses
	a.lock.Lock()
	defer a.lock.Unlock()
	if old := a.urls[name]; old == url || old != "" && !stated {
		return nil
	}
	urls := maps.Clone(a.urls)
	maps.DeleteFunc(urls, func(old, _ string) bool { _, is := members[old]; return !is && old != m.self.Name })
	urls[name] = url
	if err := a.save(urls); err != nil {
		return err
	}
	a.urls = urls
	return nil
}

// Managers returns the members whose address is known, without this one, by identity. Removed members are left out.
func (m *Member) Managers() []wire.Manager {
	members := m.State().Members
	m.addresses.lock.Lock()
	defer m.addresses.lock.Unlock()
	var out []wire.Manager
	for _, name := range slices.Sorted(maps.Keys(m.addresses.urls)) {
		if _, is := members[name]; is && name != m.self.Name {
			out = append(out, wire.Manager{Identity: name, URL: m.addresses.urls[name]})
		}
	}
	return out
}

// SetURL keeps the URL at which others reach this manager. Commands need it while the manager doesn't run.
func (m *Member) SetURL(url string) error {
	a := m.addresses
	a.lock.Lock()
	defer a.lock.Unlock()
	if a.urls[m.self.Name] == url {
		return nil
	}
	urls := maps.Clone(a.urls)
	urls[m.self.Name] = url
	if err := a.save(urls); err != nil {
		return err
	}
	a.urls = urls
	return nil
}

// URL returns the URL at which others reach this manager, or "" if it never served.
func (m *Member) URL() string {
	m.addresses.lock.Lock()
	defer m.addresses.lock.Unlock()
	return m.addresses.urls[m.self.Name]
}
