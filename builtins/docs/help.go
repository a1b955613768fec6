package docs

import (
	"fmt"
	"strings"

	"dkvrun/runtime"
)

// textWidth is how wide help is set.
const textWidth = 90

// Index lists everything with its first sentence.
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
	b.WriteString("dkvrun help NAME shows one in full.\n")
	return b.String()
}

// Help is all about one builtin.
func Help(b runtime.Builtin) string {
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

// plain takes Markdown's code marks out.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }

func indent(s, by string) string { return by + strings.ReplaceAll(s, "\n", "\n"+by) }

// wrap breaks a paragraph into lines; those after the first begin with by.
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
