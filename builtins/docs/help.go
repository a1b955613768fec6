package docs

import (
	"fmt"
	"slices"
	"strings"

	"dkvrun/runtime"
)

// textWidth is the width of the help texts in columns.
const textWidth = 90

// Index returns the list of all names, each with the first sentence of its description.
func (s Set) Index() string {
	var b strings.Builder
	for _, group := range groups {
		fmt.Fprintf(&b, "%s\n", group)
		for _, builtin := range s.grouped(group) {
			fmt.Fprintf(&b, "  %-22s %s\n", builtin.Name, firstSentence(builtin.Doc))
		}
		b.WriteByte('\n')
	}
	for _, o := range s.Objects {
		if len(o.Methods) == 0 {
			continue
		}
		fmt.Fprintf(&b, "Methods of %s\n", o.Name)
		for _, m := range o.Methods {
			fmt.Fprintf(&b, "  %-22s %s\n", o.Name+":"+m.Name, firstSentence(m.Doc))
		}
		b.WriteByte('\n')
	}
	b.WriteString("What builtins return\n")
	for _, t := range s.tables() {
		fmt.Fprintf(&b, "  %-22s %s\n", t.Name, firstSentence(t.Doc))
	}
	b.WriteByte('\n')
	b.WriteString("dkvrun help NAME shows one in full.\n")
	return b.String()
}

// tables returns the objects, and the records as objects without methods.
func (s Set) tables() []*runtime.ObjectType {
	all := slices.Clone(s.Objects)
	for _, r := range s.Records {
		all = append(all, &runtime.ObjectType{Name: r.Name, Doc: r.Doc, Fields: r.Fields, Methods: r.Methods})
	}
	return all
}

// Help returns the full help text for the name of a builtin, method (object:method), object or record, or "" if there
// is none with that name.
func (s Set) Help(name string) string {
	var parts []string
	if b, known := s.find(name); known {
		parts = append(parts, builtinHelp(b))
	}
	for _, t := range s.tables() {
		if t.Name == name {
			parts = append(parts, tableHelp(t))
		}
	}
	return strings.Join(parts, "\n")
}

func tableHelp(t *runtime.ObjectType) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n%s\n", t.Name, wrap(plain(t.Doc), ""))
	if len(t.Fields) > 0 {
		out.WriteString("\nFields\n")
	}
	for _, f := range t.Fields {
		fmt.Fprintf(&out, "  %s\n%s\n", f.Name, wrap("      "+plain(f.Doc), "      "))
	}
	if len(t.Methods) > 0 {
		out.WriteString("\nMethods\n")
	}
	for _, m := range t.Methods {
		fmt.Fprintf(&out, "  %s:%s\n%s\n", t.Name, m.Name, wrap("      "+firstSentence(m.Doc), "      "))
	}
	return out.String()
}

func builtinHelp(b runtime.Builtin) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n%s\n", wrap(signature(b), "    "), wrap(plain(b.Doc), ""))
	if len(b.Params) > 0 {
		out.WriteString("\nParameters\n")
		for i, p := range b.Params {
			position := ""
			if i < b.Positional {
				position = fmt.Sprintf(" [%d]", i+1)
			}
			fmt.Fprintf(&out, "  %s%s: %s\n%s\n", p.Name, position, rule(p), wrap("      "+plain(p.Doc), "      "))
		}
	}
	fmt.Fprintf(&out, "\nReturns\n%s\n\nExample\n%s\n", wrap("  "+plain(b.Returns), "  "), indent(b.Example, "  "))
	return out.String()
}

func firstSentence(doc string) string {
	doc = plain(doc)
	if i := strings.Index(doc, ". "); i >= 0 {
		return doc[:i+1]
	}
	return doc
}

// plain removes Markdown's code marks.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }

func indent(s, by string) string { return by + strings.ReplaceAll(s, "\n", "\n"+by) }

// wrap breaks a paragraph into lines and indents all but the first with by.
func wrap(s, by string) string {
	lead := s[:len(s)-len(strings.TrimLeft(s, " "))]
	line := lead
	var out strings.Builder
	for _, word := range strings.Fields(s) {
		if len(line)+len(word) > textWidth && strings.TrimSpace(line) != "" {
			out.WriteString(strings.TrimRight(line, " ") + "\n")
			line = by
		}
		line += word + " "
	}
	return out.String() + strings.TrimRight(line, " ")
}
