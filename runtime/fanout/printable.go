package fanout

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Printable escapes text from a server for a terminal or a log line: control characters, escape sequences, line breaks,
// bidi and invisible marks and invalid UTF-8 become escapes such as \x1b or \u202e.
func Printable(s string) string {
	i := 0
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !shown(r, size) {
			break
		}
		i += size
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case shown(r, size):
			b.WriteString(s[i : i+size])
		case size == 1:
			b.WriteString(`\x`)
			b.WriteString(hex(uint32(s[i]), 2))
		case r <= 0xffff:
			b.WriteString(`\u`)
			b.WriteString(hex(uint32(r), 4))
		default:
			b.WriteString(`\U`)
			b.WriteString(hex(uint32(r), 8))
		}
		i += size
	}
	return b.String()
}

func shown(r rune, size int) bool {
	return strconv.IsPrint(r) && !(r == utf8.RuneError && size == 1)
}

func hex(x uint32, width int) string {
	s := strconv.FormatUint(uint64(x), 16)
	return strings.Repeat("0", width-len(s)) + s
}
