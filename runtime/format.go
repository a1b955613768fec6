package runtime

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"dkvrun/runtime/lualib"
	"dkvrun/runtime/luanum"
)

// maxInline is the maximum width of a table on one line.
const maxInline = 76

const (
	// maxFormatted limits the number of values that Format shows.
	maxFormatted = 200_000
	// maxText limits the text of a value, in bytes.
	maxText = 16 << 20
)

// Format returns a value as people read it: a string as it is, a list of records as a table with columns, other
// tables in Lua's syntax with sorted names. It shows at most 200,000 values and 16 MiB of text, and <…> for the rest.
func Format(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	if l, ok := v.(List); ok {
		if s, ok := listText(l); ok {
			return s
		}
	}
	if r, ok := v.(Record); ok && r.Type != nil && r.Type.String != nil {
		return r.Type.String(r)
	}
	return showValue(v)
}

// showValue returns a value as part of a table.
func showValue(v any) string {
	var f formatter
	f.value(v, "")
	return f.out.String()
}

// formatter writes values in Lua's syntax. Its time and the length of its text are bounded, whatever the values are.
type formatter struct {
	out   strings.Builder
	count int // values written
}

// full reports whether the formatter has reached one of its limits.
func (f *formatter) full() bool { return f.count > maxFormatted || f.out.Len() > maxText }

// value writes a value. indent is the indent of its line. A value with parts is written on one line if it fits there.
func (f *formatter) value(v any, indent string) {
	f.count++
	if f.full() {
		f.out.WriteString(string(truncated))
		return
	}
	p, ok := partsOf(v)
	if !ok {
		room := max(maxText-f.out.Len(), 0)
		if s, ok := v.(string); ok {
			v = shorten(s, room)
		}
		f.out.WriteString(shorten(simpleText(v), room))
		return
	}
	if p.hasText {
		f.out.WriteString(shorten(below(p.text, indent), maxText))
		return
	}
	if line, ok := inline(v, max(maxInline-len(indent), len("{}"))); ok {
		f.out.WriteString(line)
		return
	}
	inner := indent + "  "
	f.out.WriteString("{\n")
	for i := range p.len {
		if f.full() {
			f.out.WriteString(inner + string(truncated) + "\n")
			break
		}
		key, value, isField := p.at(i)
		if isField && value == nil && p.named {
			continue
		}
		f.out.WriteString(inner)
		if isField {
			f.out.WriteString(showKey(key))
			if startsBelow(value) {
				f.out.WriteString(" =")
			} else {
				f.out.WriteString(" = ")
			}
		}
		f.value(value, inner)
		f.out.WriteString(",\n")
	}
	f.out.WriteString(indent + "}")
}

// parts are the parts of a value with braces, or the text of one that has a text instead.
type parts struct {
	len     int
	named   bool // parts that are nil are left out
	at      func(i int) (key, value any, isField bool)
	text    string
	hasText bool
}

// partsOf returns the parts of a value, if it has any.
func partsOf(v any) (parts, bool) {
	items := func(n int, at func(int) any) (parts, bool) {
		return parts{len: n, at: func(i int) (any, any, bool) { return nil, at(i), false }}, true
	}
	fields := func(names []string, get func(string) any) (parts, bool) {
		return parts{len: len(names), named: true,
			at: func(i int) (any, any, bool) { return names[i], get(names[i]), true }}, true
	}
	switch v := v.(type) {
	case []string:
		return items(len(v), func(i int) any { return v[i] })
	case []any:
		return items(len(v), func(i int) any { return v[i] })
	case List:
		if text, ok := listText(v); ok {
			return parts{text: text, hasText: true}, true
		}
		return items(len(v.Items), func(i int) any { return v.Items[i] })
	case map[string]any:
		return fields(sortedKeys(v), func(name string) any { return v[name] })
	case Dict:
		return fields(sortedKeys(v.Values), func(name string) any { return v.Values[name] })
	case Record:
		if v.Type != nil && v.Type.String != nil {
			return parts{text: v.Type.String(v), hasText: true}, true
		}
		all := v.Fields()
		return fields(v.names(), func(name string) any { return all[name] })
	case mixedTable:
		return parts{len: len(v.items) + len(v.keys), at: func(i int) (any, any, bool) {
			first := 0 // position of the first item
			if v.keysFirst {
				first = len(v.keys)
			}
			if item := i - first; item >= 0 && item < len(v.items) {
				return nil, v.items[item], false
			}
			if !v.keysFirst {
				i -= len(v.items)
			}
			return v.keys[i], v.rest[i], true
		}}, true
	case Object:
		if ot := v.ObjectType(); ot.String == nil && ot.Len != nil {
			return items(ot.Len(v), func(i int) any { return ot.At(v, i+1) })
		}
	}
	return parts{}, false
}

// simpleText returns a value without parts as part of a table.
func simpleText(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return lualib.Quote(v)
	case float64:
		return luanum.Format(v)
	case opaque:
		return string(v)
	case *Func:
		return "<function>"
	case Object:
		if ot := v.ObjectType(); ot.String != nil {
			return ot.String(v)
		}
		return "<" + v.ObjectType().Name + ">"
	case error:
		return v.Error()
	}
	return fmt.Sprint(v)
}

// shorten returns the first n bytes of a text.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + string(truncated)
}

// inline returns a value on one line if the line has at most room characters.
func inline(v any, room int) (line string, ok bool) {
	if s, ok := v.(string); ok && len(s) > utf8.UTFMax*room {
		return "", false
	}
	p, ok := partsOf(v)
	if !ok || p.hasText {
		text := p.text
		if !ok {
			text = simpleText(v)
		}
		return text, utf8.RuneCountInString(text) <= room && !strings.Contains(text, "\n")
	}
	var out strings.Builder
	out.WriteByte('{')
	left := room - len("{}")
	for i := range p.len {
		key, value, isField := p.at(i)
		if isField && value == nil && p.named {
			continue
		}
		before := ""
		if out.Len() > 1 {
			before = ", "
		}
		if isField {
			before += showKey(key) + " = "
		}
		left -= utf8.RuneCountInString(before)
		text, ok := inline(value, left)
		if left -= utf8.RuneCountInString(text); !ok || left < 0 {
			return "", false
		}
		out.WriteString(before)
		out.WriteString(text)
	}
	out.WriteByte('}')
	return out.String(), left >= 0
}

// listText returns the text of a list that has one, or whose items are records.
func listText(l List) (string, bool) {
	if l.String != nil {
		return l.String(l.Items), true
	}
	return columns(l.Items)
}

// startsBelow reports whether a value is written on the lines below its name.
func startsBelow(v any) bool {
	p, ok := partsOf(v)
	return ok && p.hasText && strings.Contains(p.text, "\n")
}

// below indents a text of several lines and puts it on new lines.
func below(text, indent string) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	inner := "\n" + indent + "  "
	return inner + strings.ReplaceAll(text, "\n", inner)
}

func showKey(k any) string {
	if s, ok := k.(string); ok && s != "" && !isDigit(s[0]) && isModuleName(s) && !strings.ContainsAny(s, ".-") {
		return s
	}
	return "[" + showValue(k) + "]"
}

// names returns a record's fields: the declared ones in order, then those that a script added.
func (r Record) names() []string {
	if r.Type == nil {
		return sortedKeys(r.Values)
	}
	names := make([]string, 0, len(r.Type.Fields))
	known := 0
	for _, f := range r.Type.Fields {
		names = append(names, f.Name)
		if _, has := r.Values[f.Name]; has {
			known++
		}
	}
	if known == len(r.Values) {
		return names
	}
	declared := len(names)
	for _, k := range sortedKeys(r.Values) {
		if !slices.Contains(names[:declared], k) {
			names = append(names, k)
		}
	}
	return names
}

// columns returns records of one type as a table, without the columns that are empty in all rows. It shows a list in
// a cell as its length.
func columns(items []any) (string, bool) {
	if len(items) == 0 {
		return "", false
	}
	first, ok := items[0].(Record)
	if !ok {
		return "", false
	}
	for _, item := range items {
		if r, ok := item.(Record); !ok || r.Type != first.Type {
			return "", false
		}
	}
	var header []string
	for _, f := range first.Type.Fields {
		for _, item := range items {
			if item.(Record).value(f.Name) != nil {
				header = append(header, f.Name)
				break
			}
		}
	}
	rows := [][]string{header}
	for _, item := range items {
		row := make([]string, len(header))
		for i, name := range header {
			switch v := item.(Record).value(name).(type) {
			case nil:
			case string:
				row[i] = v
			case List:
				row[i] = fmt.Sprintf("[%d]", len(v.Items)) // a table inside a cell would be unreadable
			case LazyList:
				row[i] = fmt.Sprintf("[%d]", v.Len)
			default:
				row[i] = strings.Join(strings.Fields(showValue(v)), " ")
			}
		}
		rows = append(rows, row)
	}
	return align(rows), true
}

// align pads the cells of all rows to the width of their columns.
func align(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for n, row := range rows {
		if n > 0 {
			out.WriteByte('\n')
		}
		for i, cell := range row {
			out.WriteString(cell)
			if i < len(row)-1 {
				out.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
	}
	return out.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
