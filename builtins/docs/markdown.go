package docs

import (
	"fmt"
	"strings"

	"dkvrun/runtime"
)

// Markdown returns the reference, docs/builtins.md.
func (s Set) Markdown() string {
	var b strings.Builder
	b.WriteString("# Builtins\n\nRendered from the declarations in `builtins/` by `make gen`; `dkvrun help NAME` shows the same offline.\n\n" +
		"Every builtin takes one table of named parameters. Parameters with a number in parentheses can also be given by position.\n" +
		"A parameter that doesn't exist, of the wrong type or out of its range is an error at the caller's line.\n")
	for _, group := range groups {
		fmt.Fprintf(&b, "\n## %s\n", group)
		for _, builtin := range s.grouped(group) {
			section(&b, builtin.Name, builtin)
		}
	}
	b.WriteString("\n## Objects\n")
	for _, o := range s.Objects {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", o.Name, o.Doc)
		fields(&b, o.Fields)
		for _, m := range o.Methods {
			section(&b, o.Name+":"+m.Name, m)
		}
	}
	b.WriteString("\n## Tables that builtins return\n" + tablesDoc)
	for _, r := range s.Records {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", r.Name, r.Doc)
		fields(&b, r.Fields)
		for _, m := range r.Methods {
			section(&b, r.Name+":"+m.Name, m)
		}
	}
	return b.String()
}

func section(b *strings.Builder, name string, builtin runtime.Builtin) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n", name, builtin.Doc)
	if len(builtin.Params) > 0 {
		b.WriteString("| parameter | accepts | |\n|---|---|---|\n")
		for i, p := range builtin.Params {
			position := ""
			if i < builtin.Positional {
				position = fmt.Sprintf(" (%d)", i+1)
			}
			fmt.Fprintf(b, "| `%s`%s | %s | %s |\n", p.Name, position, cell(rule(p)), cell(p.Doc))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "Returns %s.\n\n```lua\n%s\n```\n", strings.TrimSuffix(builtin.Returns, "."), builtin.Example)
}

func fields(b *strings.Builder, list []runtime.Field) {
	b.WriteString("| field | |\n|---|---|\n")
	for _, f := range list {
		fmt.Fprintf(b, "| `%s` | %s |\n", f.Name, cell(f.Doc))
	}
}

// cell escapes a text for a cell of a Markdown table.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// tablesDoc says what a script may do with the tables that builtins return.
const tablesDoc = "\nA script can assign to the fields of these tables, for example to change a node of a topology before `new_store`.\n" +
	"That changes nothing but the table: methods such as `check` go by what the managers answered. Objects, such as the\n" +
	"results of an action, are read-only.\n"
