package external

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"dkvrun/runtime/identity"
)

// Bounds of the file of identities.
const (
	maxIdentities = 1 << 20 // bytes
	maxLines      = 10000
)

// arrow separates the name in a certificate from the identity.
const arrow = " -> "

// readIdentities reads the file of identities of a cluster. The error names the first line that is wrong.
func readIdentities(path, cluster string) ([]mapping, error) {
	text, err := readText(path, maxIdentities)
	if err != nil {
		return nil, err
	}
	out, line, err := parseIdentities(text, cluster)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", path, line, err)
	}
	return out, nil
}

// readText reads a file that only its owner may write.
func readText(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", path)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return "", fmt.Errorf("refusing %s: others can write it (mode %04o): run chmod go-w %s", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", err
	}
	if int64(len(text)) > most {
		return "", fmt.Errorf("%s is larger than %d KiB", path, most>>10)
	}
	return string(text), nil
}

// parseIdentities parses the lines of a file of identities:
//
//	KIND:VALUE -> URI ROLE
//
// KIND is subject (as RFC 2253 writes it, with the most specific part first), dns, email or uri. URI is a user's or an
// application's, of the cluster, or of any if cluster is empty. ROLE is viewer, operator or admin for a user; an
// application's is app, which may be left out, or app-readonly. Empty lines and those that begin with # are skipped.
// With an error it returns the number of the line.
func parseIdentities(text, cluster string) ([]mapping, int, error) {
	var out []mapping
	first := map[name]int{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl):
			return nil, n, fmt.Errorf("has characters that are not text")
		case len(out) == maxLines:
			return nil, n, fmt.Errorf("is too much: at most %d identities are allowed", maxLines)
		}
		c, err := parseLine(line, cluster)
		if err != nil {
			return nil, n, err
		}
		if before, twice := first[c.Name]; twice {
			return nil, n, fmt.Errorf("names %s:%s, which line %d does already", c.Name.Kind, c.Name.Value, before)
		}
		first[c.Name], c.Line = n, n
		out = append(out, c)
	}
	return out, 0, nil
}

func parseLine(line, cluster string) (mapping, error) {
	left, right, found := strings.Cut(line, arrow)
	if !found || strings.Contains(right, strings.TrimSpace(arrow)) {
		return mapping{}, fmt.Errorf("want KIND:VALUE -> URI ROLE, for example dns:ci.example.org -> dkv://user.%s/ci operator", cluster)
	}
	kind, value, _ := strings.Cut(strings.TrimSpace(left), ":")
	c := mapping{Name: name{kind, value}}
	switch {
	case kind != subject && kind != dns && kind != email && kind != uri:
		return c, fmt.Errorf("has the unknown kind of name %.40q: want subject, dns, email or uri", kind)
	case value == "" || strings.TrimSpace(value) != value:
		return c, fmt.Errorf("has nothing after the colon of %s", kind)
	case kind == uri && strings.HasPrefix(value, "dkv://"):
		return c, fmt.Errorf("names %.80q, which only certificates of the cluster's own authority may have", value)
	}
	words := strings.Fields(right)
	if len(words) == 0 || len(words) > 2 {
		return c, fmt.Errorf("has %d words after ->: want a URI and a role", len(words))
	}
	id, err := identity.Parse(words[0])
	if err != nil {
		return c, err
	}
	c.URI = words[0]
	switch {
	case cluster != "" && id.Cluster != cluster:
		return c, fmt.Errorf("is about %s: this manager is of cluster %s", id, cluster)
	case id.Kind != identity.User && id.Kind != identity.App:
		return c, fmt.Errorf("is about a %s: want a user or an app", id.Kind)
	case len(words) == 2:
		c.Role = identity.Role(words[1])
	case id.Kind == identity.App:
		c.Role = identity.AppRole
	default:
		return c, fmt.Errorf("gives user %s no role: want viewer, operator or admin", id.Name)
	}
	return c, identity.CheckRole(id.Kind, c.Role)
}
