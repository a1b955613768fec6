package wire

import "fmt"

// MaxName is the maximum length of the name of a store, a prefix or an instance, in bytes.
const MaxName = 63

// CheckName refuses a name that does not match ^[A-Za-z][A-Za-z0-9_-]{0,62}$. Valid names are safe in URLs and file
// names.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("is empty: a name is a letter followed by up to %d letters, digits, '_' or '-'", MaxName-1)
	}
	for i, c := range name { // up to the first invalid character, each is one byte, so i counts characters
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
