package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Every text and every list of a request has a bound: the tag max of its field, in bytes or elements. The elements of a
// list of texts have the bound of the tag each. Managers refuse what exceeds a bound while they read it. Texts with a
// form, such as names, have a check as well, which may allow less.

// MaxText is the largest bound of a text in a request, in bytes: that of a URL.
const MaxText = 269

const (
	// maxIdentity is the maximum length of the identity of a manager, of the id of an operation and of a digest, in bytes.
	maxIdentity = 64
	// maxManagers is the maximum number of managers of a store.
	maxManagers = 1 << 14
)

// CheckIdentity refuses a text that is no manager's identity: 1 to 64 visible ASCII characters.
func CheckIdentity(identity string) error {
	if identity == "" {
		return errors.New("is empty")
	}
	if len(identity) > maxIdentity {
		return fmt.Errorf("has %d bytes: an identity has at most %d", len(identity), maxIdentity)
	}
	for _, c := range []byte(identity) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("%q has a byte that no identity has", identity)
		}
	}
	return nil
}

// CheckURL refuses a text that is not the URL of a manager: scheme, host and port, and nothing else. Managers connect
// to it, so a path or a query would let a client choose the request.
func CheckURL(text string) error {
	if len(text) > MaxText {
		return fmt.Errorf("has %d bytes: want http://HOST:PORT", len(text))
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" ||
		(&url.URL{Scheme: u.Scheme, Host: u.Host}).String() != text {
		return fmt.Errorf("got %q, want http://HOST:PORT and nothing else", text)
	}
	return checkAddress(u.Hostname(), u.Port(), u.Port() != "" || strings.HasSuffix(u.Host, ":"))
}

// checkEndpoint refuses a text that is not HOST:PORT.
func checkEndpoint(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil || len(text) > MaxText {
		return fmt.Errorf("got %.80q, want HOST:PORT", text)
	}
	return checkAddress(host, port, true)
}

// checkAddress refuses an invalid host, and an invalid port if there must be one.
func checkAddress(host, port string, withPort bool) error {
	if _, err := netip.ParseAddr(host); err != nil { // it may have a zone
		if err := CheckHost(host); err != nil {
			return fmt.Errorf("the host %w", err)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); withPort && (err != nil || n == 0) {
		return fmt.Errorf("%q is not a port: 1 to 65535", port)
	}
	return nil
}

// CheckManagers refuses a list of managers with an invalid identity or URL, or an identity that is given twice: it
// would be counted as two votes. The error begins with the path of the invalid field.
func CheckManagers(managers []Manager) error {
	known := make(map[string]bool, len(managers))
	for i, m := range managers {
		if err := CheckIdentity(m.Identity); err != nil {
			return fmt.Errorf("managers[%d].identity: %w", i, err)
		}
		if known[m.Identity] {
			return fmt.Errorf("managers[%d].identity: %q is given twice", i, m.Identity)
		}
		known[m.Identity] = true
		if err := CheckURL(m.URL); err != nil {
			return fmt.Errorf("managers[%d].url: %w", i, err)
		}
	}
	return nil
}

// CheckBounds refuses a state of which a manager would keep something that exceeds the bounds of requests, or that no
// manager could run.
func (s *StoreState) CheckBounds() error {
	if len(s.Removed) > maxIdentity {
		return fmt.Errorf("removed: has %d bytes: at most %d are allowed", len(s.Removed), maxIdentity)
	}
	if err := s.checkHistory(); err != nil {
		return err
	}
	if s.Configuration == nil {
		return nil
	}
	return s.Configuration.checkBounds()
}

// maxHistory is the maximum number of decisions, and of managers that were declared lost, in a state.
const maxHistory = 1024

// checkHistory checks what a manager that heals keeps of another one's decisions.
func (s *StoreState) checkHistory() error {
	if len(s.Decisions) > maxHistory || len(s.Fenced) > maxHistory {
		return fmt.Errorf("%d decisions and %d managers that were declared lost are too many", len(s.Decisions), len(s.Fenced))
	}
	texts := slices.Clone(s.Fenced)
	for _, op := range s.Decisions {
		texts = append(texts, op.ID, op.Action, op.Digest)
	}
	for _, text := range texts {
		if len(text) > maxIdentity {
			return fmt.Errorf("decided: %.80q has %d bytes: at most %d are allowed", text, len(text), maxIdentity)
		}
	}
	return nil
}

func (c *Configuration) checkBounds() error {
	for _, text := range []string{c.Creation, c.LastOperation, c.Digest, c.Coordinator} {
		if len(text) > maxIdentity {
			return fmt.Errorf("configuration: %.80q has %d bytes: at most %d are allowed", text, len(text), maxIdentity)
		}
	}
	if len(c.Managers) > maxManagers || len(c.Founders) > MaxInstances {
		return fmt.Errorf("configuration: %d managers and %d founders are too many", len(c.Managers), len(c.Founders))
	}
	if err := CheckManagers(c.Managers); err != nil {
		return err
	}
	for i, f := range c.Founders {
		err := CheckName(f.Name)
		if err == nil {
			err = CheckHost(f.Host)
		}
		if err != nil {
			return fmt.Errorf("founders[%d]: %w", i, err)
		}
	}
	return CheckTopology(c.Nodes)
}
