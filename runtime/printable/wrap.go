package printable

import (
	"strings"
	"unicode/utf8"
)

// Columns is the width to which tables and messages are wrapped on a terminal that is not narrower.
const Columns = 80

// Wrap breaks each line of a text at spaces, so that it has at most so many columns. The text begins in column used,
// counted from 0; the lines that it adds begin with indent spaces. A word that is too long for a line stays whole, so
// that it can be copied.
func Wrap(text string, columns, used, indent int) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteByte('\n')
			used = 0
		}
		wrapLine(&b, line, columns, used, indent)
	}
	return b.String()
}

func wrapLine(b *strings.Builder, line string, columns, used, indent int) {
	if used+utf8.RuneCountInString(line) <= columns {
		b.WriteString(line)
		return
	}
	words := strings.TrimLeft(line, " ")
	at := used + len(line) - len(words)
	b.WriteString(line[:len(line)-len(words)])
	for i, word := range strings.Split(words, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0 && at+n > columns && at > indent && used > 0, i > 0 && at+1+n > columns:
			b.WriteByte('\n')
			b.WriteString(strings.Repeat(" ", indent))
			at = indent
		case i > 0:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
}
