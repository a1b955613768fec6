// Package printable makes text from managers, stores and scripts safe to show. It is the one place that does so:
// every output of the programs to a terminal or a log goes through Line or Text, except what a script itself prints.
package printable

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Line escapes text for one line of a terminal or a log: control characters, escape sequences, line breaks, bidi and
// invisible marks and invalid UTF-8 become escapes such as \x1b or \u202e. Text that was escaped stays as it is.
func Line(s string) string { return escape(s, "") }

// Text escapes text of several lines: as Line, but line feeds and tabs stay.
func Text(s string) string { return escape(s, "\n\t") }

// escape escapes all but printable characters and those in kept, which are ASCII.
func escape(s, kept string) string {
	shown := func(r rune, size int) bool {
		if r < utf8.RuneSelf && strings.IndexByte(kept, byte(r)) >= 0 {
			return true
		}
		return strconv.IsPrint(r) && !(r == utf8.RuneError && size == 1)
	}
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

func hex(x uint32, width int) string {
	s := strconv.FormatUint(uint64(x), 16)
	return strings.Repeat("0", width-len(s)) + s
}

// JSON escapes what a terminal would act on in JSON text: control, bidi and invisible characters become escapes such as
// \u202e. They can only be inside of strings, so the values stay the same. ASCII control characters are escaped in
// valid JSON already.
func JSON(text []byte) []byte {
	var out []byte
	done := 0
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf && text[i] != 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if !strconv.IsPrint(r) {
			out = append(out, text[done:i]...)
			for _, unit := range utf16.Encode([]rune{r}) {
				out = append(out, `\u`+hex(uint32(unit), 4)...)
			}
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}
