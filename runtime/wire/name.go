package wire

import "fmt"

// MaxName is the longest name of a store, a prefix or an instance, in bytes.
const MaxName = 63

// CheckName holds a name against ^[A-Za-z][A-Za-z0-9_-]{0,62}$, before it can reach a path or a folder.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("is empty: a name is a letter followed by up to %d letters, digits, '_' or '-'", MaxName-1)
	}
	for i, c := range name { // up to the first that can't be, all are of one byte
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		other := c >= '0' && c <= '9' || c == '_' || c == '-'
		if !letter && (i == 0 || !other) {
			return fmt.Errorf("%q has %q at position %d: a name is a letter followed by letters, digits, '_' or '-'", name, c, i+1)
		}
	}
	if len(name) > MaxName {
		return fmt.Errorf("%q has %d characters: a name has at most %d", name, len(name), MaxName)
	}
	return nil
}
