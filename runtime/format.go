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

// Format returns a value as people read it: a string as it is, a list of records as a table with columns, other
// tables in Lua's syntax with sorted names.
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
	return showValue(v, "")
}

// showValue returns a value as part of a table. indent is the indent of the line that it begins on.
func showValue(v any, indent string) string {
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
	case []string:
		parts := make([]string, len(v))
		for i, s := range v {
			parts[i] = lualib.Quote(s)
		}
		return braces(parts, indent)
	case []any:
		return braces(showAll(v, indent), indent)
	case List:
		if s, ok := listText(v); ok {
			return below(s, indent)
		}
		return braces(showAll(v.Items, indent), indent)
	case map[string]any:
		return braces(showNamed(v, sortedKeys(v), indent), indent)
	case Dict:
		return braces(showNamed(v.Values, sortedKeys(v.Values), indent), indent)
	case Record:
		if v.Type != nil && v.Type.String != nil {
			return below(v.Type.String(v), indent)
		}
		return braces(showNamed(v.Fields(), v.names(), indent), indent)
	case mixedTable:
		parts := showAll(v.items, indent)
		for i, k := range v.keys {
			parts = append(parts, assignment(k, v.rest[i], indent))
		}
		return braces(parts, indent)
	case Object:
		return showObject(v, indent)
	case error:
		return v.Error()
	}
	return fmt.Sprint(v)
}

// listText returns the text of a list that has one, or whose items are records.
func listText(l List) (string, bool) {
	if l.String != nil {
		return l.String(l.Items), true
	}
	return columns(l.Items)
}

// below indents a text of several lines and puts it on new lines.
func below(text, indent string) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	inner := "\n" + indent + "  "
	return inner + strings.ReplaceAll(text, "\n", inner)
}

func showObject(o Object, indent string) string {
	ot := o.ObjectType()
	switch {
	case ot.String != nil:
		return ot.String(o)
	case ot.Len != nil:
		items := make([]any, ot.Len(o))
		for i := range items {
			items[i] = ot.At(o, i+1)
		}
		return braces(showAll(items, indent), indent)
	}
	return "<" + ot.Name + ">"
}

func showAll(items []any, indent string) []string {
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = showValue(item, indent+"  ")
	}
	return parts
}

func showNamed(m map[string]any, names []string, indent string) []string {
	var parts []string
	for _, name := range names {
		if v := m[name]; v != nil {
			parts = append(parts, assignment(name, v, indent))
		}
	}
	return parts
}

func assignment(k, v any, indent string) string {
	text := showValue(v, indent+"  ")
	if strings.HasPrefix(text, "\n") {
		return showKey(k) + " =" + text
	}
	return showKey(k) + " = " + text
}

func showKey(k any) string {
	if s, ok := k.(string); ok && s != "" && !isDigit(s[0]) && isModuleName(s) && !strings.ContainsAny(s, ".-") {
		return s
	}
	return "[" + showValue(k, "") + "]"
}

func braces(parts []string, indent string) string {
	line := "{" + strings.Join(parts, ", ") + "}"
	if utf8.RuneCountInString(line)+len(indent) <= maxInline && !strings.Contains(line, "\n") {
		return line
	}
	inner := indent + "  "
	return "{\n" + inner + strings.Join(parts, ",\n"+inner) + ",\n" + indent + "}"
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
	var header []string
	for _, f := range first.Type.Fields {
		for _, item := range items {
			r, ok := item.(Record)
			if !ok || r.Type != first.Type {
				return "", false
			}
			if r.value(f.Name) != nil {
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
				row[i] = strings.Join(strings.Fields(showValue(v, "")), " ")
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
