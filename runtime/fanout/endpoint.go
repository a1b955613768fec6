package fanout

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"dkvrun/runtime/wire"
)

// Endpoint is the address of a server. It is comparable.
type Endpoint struct {
	// Scheme is http or https; empty means the one that Client.Resolve returns.
	Scheme string
	// Host is a name or an IP address, without brackets.
	Host string
	Port int
	// Store is set for a client port: an instance of this store has to answer there, if the connection is secure.
	Store string
}

// String returns host:port, with brackets around an IPv6 address.
func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// URL returns scheme://host:port, without a trailing slash. Without a scheme it is http.
func (e Endpoint) URL() string {
	if e.Scheme == "" {
		return "http://" + e.String()
	}
	return e.Scheme + "://" + e.String()
}

// ParseEndpoints parses a list of servers. An element is host, host:port, an IP address (IPv6 with or without
// brackets), scheme://host:port, or several of these separated by commas. The scheme stays empty where none is given.
// It refuses an empty list or element, the unspecified address, a port outside 1–65535, a path, user or password, and
// duplicates.
func ParseEndpoints(list []string, defaultPort int) ([]Endpoint, error) {
	seen := make(map[Endpoint]string, len(list))
	return parseEndpoints(list, defaultPort, func(part string, e Endpoint) error {
		key := Endpoint{Host: strings.ToLower(e.Host), Port: e.Port}
		if first, twice := seen[key]; twice {
			return fmt.Errorf("%q and %q are the same server: name it once", first, part)
		}
		seen[key] = part
		return nil
	})
}

// CheckEndpoints returns the error of ParseEndpoints for a list, except for duplicates, which depend on the default
// port.
func CheckEndpoints(list []string) error {
	_, err := parseEndpoints(list, wire.DefaultManagerPort, func(string, Endpoint) error { return nil })
	return err
}

func parseEndpoints(list []string, defaultPort int, check func(part string, e Endpoint) error) ([]Endpoint, error) {
	out := make([]Endpoint, 0, len(list))
	for _, text := range list {
		for part := range strings.SplitSeq(text, ",") {
			part = strings.TrimSpace(part)
			if part == "" {
				return nil, emptyElement(text)
			}
			e, err := parseEndpoint(part, defaultPort)
			if err == nil {
				err = check(part, e)
			}
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the list is empty: name at least one server, such as 10.0.0.11 or host:7801")
	}
	return out, nil
}

func emptyElement(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("an element is empty: give host or host:port")
	}
	return fmt.Errorf("%q has an empty element: remove the comma", text)
}

func parseEndpoint(text string, defaultPort int) (Endpoint, error) {
	e := Endpoint{Port: defaultPort}
	rest := text
	if scheme, after, found := strings.Cut(text, "://"); found {
		e.Scheme, rest = strings.ToLower(scheme), after
		if e.Scheme != "http" && e.Scheme != "https" {
			return e, fmt.Errorf("%q has the scheme %q: only http and https are supported", redacted(text), scheme)
		}
	}
	if strings.Contains(rest, "@") {
		return e, fmt.Errorf("%q contains a user or password: remove it, an address is host:port", redacted(text))
	}
	if i := strings.IndexAny(rest, "/?#\\"); i >= 0 {
		return e, fmt.Errorf("%q has %q after its address: an address is host:port, without a path", text, rest[i:])
	}
	host, port, hasPort, err := splitPort(rest)
	if err != nil {
		return e, fmt.Errorf("%q %w", text, err)
	}
	if hasPort {
		if e.Port, err = parsePort(port); err != nil {
			return e, fmt.Errorf("%q %w", text, err)
		}
	}
	if e.Port < 1 || e.Port > 65535 {
		return e, fmt.Errorf("%q has port %d: ports go from 1 to 65535", text, e.Port)
	}
	if e.Host, err = checkHost(host, strings.HasPrefix(rest, "[")); err != nil {
		return e, fmt.Errorf("%q %w", text, err)
	}
	return e, nil
}

// redacted replaces the text before an @, which may be a password.
func redacted(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return text
	}
	scheme, _, found := strings.Cut(text[:at], "://")
	if !found {
		return "***" + text[at:]
	}
	return scheme + "://***" + text[at:]
}

// splitPort splits host:port. Text with more than one colon and no brackets is an IPv6 address without a port.
func splitPort(s string) (host, port string, hasPort bool, err error) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", false, errors.New("has a '[' without its ']'")
		}
		after := s[end+1:]
		if after == "" {
			return s[1:end], "", false, nil
		}
		if after[0] != ':' {
			return "", "", false, fmt.Errorf("has %q after the ']': only :port may follow it", after)
		}
		return s[1:end], after[1:], true, nil
	}
	if strings.Count(s, ":") == 1 {
		host, port, _ = strings.Cut(s, ":")
		return host, port, true, nil
	}
	return s, "", false, nil
}

// parsePort accepts only digits: no sign, space or service name.
func parsePort(s string) (int, error) {
	if s == "" {
		return 0, errors.New("ends with a colon: add the port, or remove the colon")
	}
	if strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("has the port %q: a port is a number from 1 to 65535", s)
	}
	port, err := strconv.Atoi(s)
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("has port %s: ports go from 1 to 65535", s)
	}
	return port, nil
}

// checkHost returns an IP address in canonical form, and a name unchanged.
func checkHost(host string, bracketed bool) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		switch {
		case ip.Zone() != "":
			return "", fmt.Errorf("has the zone %q, which other servers can't use: give an address without one", ip.Zone())
		case bracketed && !ip.Is6():
			return "", errors.New("has brackets, which are only for IPv6 addresses")
		case ip.Unmap().IsUnspecified():
			return "", errors.New("is the unspecified address: give the server's address")
		}
		return ip.Unmap().String(), nil
	}
	if bracketed || strings.Contains(host, ":") {
		return "", errors.New("is not an IPv6 address: write it as ::1, [::1] or [::1]:7801")
	}
	if host == "" {
		return "", errors.New("has no host: give host or host:port")
	}
	if err := wire.CheckHost(host); err != nil {
		return "", fmt.Errorf("can't be a server: host %w", err)
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return "", errors.New("is not a host name: its parts between the dots can't be empty nor begin or end with '-'")
		}
	}
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' && strings.Trim(last, "0123456789abcdefABCDEFxX") == "" {
		return "", errors.New("is not an IPv4 address: it has four numbers from 0 to 255, such as 10.0.0.11")
	}
	return host, nil
}
