// Package docs renders the declarations of builtins: help on the terminal, the Markdown reference,
// and the stubs that give editors completion (LuaLS). All texts about builtins come from their declarations.
package docs

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"dkvrun/builtins"
	"dkvrun/builtins/testkit"
	"dkvrun/runtime"
	"dkvrun/runtime/suite"
)

//go:generate go run ./render ../../docs

// Set holds the declarations of everything that scripts can use.
type Set struct {
	Builtins []runtime.Builtin
	Objects  []*runtime.ObjectType
	Records  []*runtime.RecordType
}

// All returns all declarations, those for runbooks and those for tests.
func All() Set {
	return Set{
		Builtins: slices.Concat(builtins.All(), testkit.Builtins(), suite.Words()),
		Objects:  slices.Concat(builtins.Objects(), testkit.Objects()),
		Records:  slices.Concat(builtins.Records(), testkit.Records()),
	}
}

// groups are the headings, in the order of the reference.
var groups = []string{"Session", "Actions", "Queries", "Store data", "Access", "Time", "Tasks", "Output", "Script", "Tests"}

// grouped returns the builtins under one heading, sorted by name.
func (s Set) grouped(group string) []runtime.Builtin {
	var out []runtime.Builtin
	for _, b := range s.Builtins {
		if b.Group == group {
			out = append(out, b)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// find returns the builtin with a name, or the method with a name of the form object:method.
func (s Set) find(name string) (runtime.Builtin, bool) {
	for _, b := range s.Builtins {
		if b.Name == name {
			return b, true
		}
	}
	for _, o := range s.Objects {
		for _, m := range o.Methods {
			if o.Name+":"+m.Name == name {
				m.Name = name
				return m, true
			}
		}
	}
	return runtime.Builtin{}, false
}

// Names lists the names for which there is help.
func (s Set) Names() []string {
	var out []string
	for _, b := range s.Builtins {
		out = append(out, b.Name)
	}
	for _, o := range s.Objects {
		for _, m := range o.Methods {
			out = append(out, o.Name+":"+m.Name)
		}
	}
	for _, t := range s.tables() {
		out = append(out, t.Name)
	}
	return out
}

var typeNames = map[runtime.Type]string{
	runtime.Any: "any", runtime.Verbatim: "any", runtime.String: "string", runtime.Integer: "integer", runtime.Number: "number",
	runtime.Boolean: "boolean", runtime.Function: "function", runtime.Strings: "string or list", runtime.Table: "table",
}

// rule describes the values that a parameter accepts, and its default: "integer 1–256, default 1".
func rule(p runtime.Param) string {
	parts := []string{typeNames[p.Type]}
	if len(p.Enum) > 0 {
		parts[0] = strings.Join(p.Enum, " | ")
	}
	switch {
	case p.Min != nil && p.Max != nil:
		parts[0] += fmt.Sprintf(" %s–%s", bound(*p.Min), bound(*p.Max))
	case p.Min != nil:
		parts[0] += fmt.Sprintf(" from %s", bound(*p.Min))
	}
	if p.Required {
		parts = append(parts, "required")
	}
	if p.Default != nil && p.Default != "" {
		parts = append(parts, fmt.Sprintf("default %v", p.Default))
	}
	if p.Alias != "" {
		parts = append(parts, "also "+p.Alias)
	}
	return strings.Join(parts, ", ")
}

func bound(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", x), "0"), ".")
}

// signature returns the form of a call, such as new_store{name, instance_prefix, …}. Positional parameters come first.
func signature(b runtime.Builtin) string {
	var names []string
	for _, p := range b.Params {
		name := p.Name
		if !p.Required {
			name += "?"
		}
		names = append(names, name)
	}
	if b.Positional == len(b.Params) {
		return b.Name + "(" + strings.Join(names, ", ") + ")"
	}
	return b.Name + "{" + strings.Join(names, ", ") + "}"
}
