package docs

import (
	"fmt"
	"strings"

	"dkvrun/runtime"
)

var stubTypes = map[runtime.Type]string{
	runtime.Any: "any", runtime.Verbatim: "any", runtime.String: "string", runtime.Integer: "integer", runtime.Number: "number",
	runtime.Boolean: "boolean", runtime.Function: "function", runtime.Strings: "string|string[]", runtime.Table: "table",
}

// Stubs returns the file that declares the builtins for the Lua language server (LuaLS), docs/dkvrun.lua.
func (s Set) Stubs() string {
	var b strings.Builder
	b.WriteString("---@meta\n-- Rendered from the declarations by make gen, for the Lua language server: name this folder in workspace.library.\n")
	for _, r := range s.Records {
		declareClass(&b, r.Name, r.Doc, r.Fields)
		declareMethods(&b, r.Name, r.Methods)
	}
	for _, o := range s.Objects {
		declareClass(&b, o.Name, o.Doc, o.Fields)
		fmt.Fprintf(&b, "local %s = {}\n", o.Name)
		for _, m := range o.Methods {
			function(&b, o.Name+":"+m.Name, m)
		}
	}
	made := map[string]bool{}
	for _, builtin := range s.Builtins {
		if table, _, nested := strings.Cut(builtin.Name, "."); nested && !made[table] {
			made[table] = true
			if _, callable := s.find(table); !callable {
				fmt.Fprintf(&b, "\n%s = {}\n", table)
			}
		}
		function(&b, builtin.Name, builtin)
	}
	return b.String()
}

func declareClass(b *strings.Builder, name, doc string, fields []runtime.Field) {
	fmt.Fprintf(b, "\n---%s\n---@class dkvrun.%s\n", doc, identifier(name))
	for _, f := range fields {
		fmt.Fprintf(b, "---@field %s %s %s\n", f.Name, class(f.Type), f.Doc)
	}
}

// declareMethods declares the methods of a table that builtins return.
func declareMethods(b *strings.Builder, name string, methods []runtime.Builtin) {
	if len(methods) == 0 {
		return
	}
	fmt.Fprintf(b, "local %s = {}\n", identifier(name))
	for _, m := range methods {
		function(b, identifier(name)+":"+m.Name, m)
	}
}

func function(b *strings.Builder, name string, builtin runtime.Builtin) {
	fmt.Fprintf(b, "\n---%s\n", builtin.Doc)
	var names []string
	for _, p := range builtin.Params {
		kind := stubTypes[p.Type]
		if len(p.Enum) > 0 {
			kind = `"` + strings.Join(p.Enum, `"|"`) + `"`
		}
		optional := "?"
		if p.Required {
			optional = ""
		}
		fmt.Fprintf(b, "---@param %s%s %s %s\n", p.Name, optional, kind, p.Doc)
		names = append(names, p.Name)
	}
	fmt.Fprintf(b, "---@return %[1]s # %[2]s\n---@overload fun(parameters: table): %[1]s\nfunction %[3]s(%[4]s) end\n",
		class(builtin.ReturnType), builtin.Returns, name, strings.Join(names, ", "))
}

// class returns the language server's name for a type that a declaration names.
func class(name string) string {
	list, item, isList := strings.Cut(name, " of ")
	switch {
	case name == "":
		return "any"
	case name == "string" || name == "integer" || name == "number" || name == "boolean":
		return name
	case isList && list == "list":
		return class(item) + "[]"
	case isList:
		return class(list) + "|" + class(item) + "[]"
	}
	return "dkvrun." + identifier(name)
}

func identifier(name string) string { return strings.ReplaceAll(name, " ", "_") }
