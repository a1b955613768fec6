package syntax

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// Place is a position in a source. Lines and columns count from 1, columns in characters.
type Place struct{ Line, Column int }

// Lines converts byte offsets in a source to lines and columns.
type Lines struct {
	src    string
	starts []int // of the lines
	// at and column are the offset and the column of the last result. Counting continues from there.
	at, column int
}

// NewLines splits a source into lines, which end with "\r\n", "\n\r", "\n" or "\r".
func NewLines(src string) *Lines {
	l := &Lines{src: src, starts: []int{0}, column: 1}
	if strings.HasPrefix(src, byteOrderMark) {
		l.starts[0] = len(byteOrderMark)
	}
	for i := 0; i < len(src); {
		if next := skipLineBreak(src, i); next > i {
			l.starts = append(l.starts, next)
			i = next
		} else {
			i++
		}
	}
	return l
}

// Number returns the line number of a byte offset.
func (l *Lines) Number(offset int) int { return max(1, sort.SearchInts(l.starts, offset+1)) }

// Place returns the position of a byte offset.
func (l *Lines) Place(offset int) Place {
	line := l.Number(offset)
	from, column := l.starts[line-1], 1
	if from <= l.at && l.at <= offset {
		from, column = l.at, l.column
	}
	if offset > from {
		column += utf8.RuneCountInString(l.src[from:offset])
	}
	l.at, l.column = offset, column
	return Place{line, column}
}

// Line returns a line without the white space around it.
func (l *Lines) Line(number int) Span {
	start, end := l.starts[number-1], len(l.src)
	if number < len(l.starts) {
		end = l.starts[number]
	}
	line := strings.TrimRight(l.src[start:end], " \t\r\n")
	return Span{start + len(line) - len(strings.TrimLeft(line, " \t")), start + len(line)}
}

// Len returns the number of lines.
func (l *Lines) Len() int { return len(l.starts) }
