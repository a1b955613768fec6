package runtime

import (
	"fmt"
	"strings"
)

// ArgsBuiltin is args{…}: it declares the script's own options and reads them from Options.Args.
func ArgsBuiltin() Builtin {
	return Builtin{
		Name:  "args",
		Group: "Script",
		Doc: "Declares the script's own options and reads them from its command line. Each name has a type (\"string\", \"integer\", " +
			"\"number\", \"boolean\", \"list\"), which makes it required, or a default, which gives it a type. " +
			"The script then takes --name VALUE and --name=VALUE, --name and --no-name for a boolean, commas or repetition for a list, and --help.",
		Params: []Param{{
			Name: "options", Type: Any, Required: true,
			Doc:   "a table of the options: their names, in snake_case, and their types or defaults",
			Check: checkOptions,
		}},
		Positional: 1,
		Returns:    "the options' values by name, and what else was on the command line as a list",
		Example:    "local opt = args{store = \"OrdersStore\", count = 2, verbose = false}\nprint(opt.store, opt.count, #opt)",
		Impl:       readArgs,
	}
}

// option is one declared option of a script.
type option struct {
	name     string // in snake_case
	kind     string // string, integer, number, boolean or list
	value    any    // the default, later the value
	required bool   // and not yet given
	given    bool
}

func (o *option) flag() string { return "--" + strings.ReplaceAll(o.name, "_", "-") }

func checkOptions(v any) error {
	if list, ok := v.([]any); ok && len(list) == 0 {
		return nil
	}
	declared, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("want a table of names with types or defaults: args{store = \"string\", count = 2}")
	}
	for _, name := range sortedKeys(declared) {
		if !isOptionName(name) {
			return fmt.Errorf("%q is not an option's name: lower-case letters, digits and _, a letter first", name)
		}
		if name == "help" {
			return fmt.Errorf("help is there already")
		}
		if _, err := declareOption(name, declared[name]); err != nil {
			return err
		}
	}
	return nil
}

func isOptionName(name string) bool {
	return name != "" && 'a' <= name[0] && name[0] <= 'z' && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// declareOption makes the option of a type's name or of a default.
func declareOption(name string, v any) (*option, error) {
	o := &option{name: name, value: v}
	switch v := v.(type) {
	case string:
		switch v {
		case "string", "integer", "number", "boolean", "list":
			o.kind, o.value, o.required = v, nil, true
		default:
			o.kind = "string"
		}
	case int:
		o.kind = "integer"
	case float64:
		o.kind = "number"
	case bool:
		o.kind = "boolean"
	case []any:
		o.kind = "list"
		for _, item := range v {
			if _, ok := item.(string); !ok {
				return nil, fmt.Errorf("%s: the items of a default list are strings", name)
			}
		}
	default:
		return nil, fmt.Errorf("%s: want a type's name or a default", name)
	}
	return o, nil
}

func readArgs(c *Call) (any, error) {
	declared, _ := c.Value("options").(map[string]any)
	var options []*option
	for _, name := range sortedKeys(declared) {
		o, err := declareOption(name, declared[name])
		if err != nil {
			return nil, err
		}
		options = append(options, o)
	}
	args := c.Host.opts.Args
	if asksForHelp(args) {
		fmt.Fprint(c.Host.Stdout(), usage(c.Host.opts.Script, options))
		return nil, &Exit{}
	}
	line := commandLine{options: options, args: args}
	rest, err := line.read()
	if err != nil {
		return nil, c.Errorf(CodeUsageArgs, "%v", err)
	}
	values := make(map[string]any, len(options))
	result := &RecordType{Name: "args"}
	var missing []string
	for _, o := range options {
		if o.required {
			missing = append(missing, o.flag())
		}
		result.Fields = append(result.Fields, Field{Name: o.name})
		values[o.name] = o.value
	}
	if len(missing) > 0 {
		return nil, c.Errorf(CodeUsageArgs, "%s: required, but not given (--help shows all)", joinWords(missing, "and"))
	}
	show := func(rest []any) string {
		return braces(append(showNamed(values, sortedKeys(declared), ""), showAll(rest, "")...), "")
	}
	return List{Items: rest, Type: result, Values: values, String: show}, nil
}

// usage is what --help prints.
func usage(script string, options []*option) string {
	if script == "" {
		script = "script"
	}
	rows := make([][]string, 0, len(options)+1)
	for _, o := range options {
		flag, note := o.flag(), ""
		switch {
		case o.kind == "boolean":
			flag = "--[no-]" + strings.TrimPrefix(flag, "--")
		default:
			flag += " " + strings.ToUpper(o.kind)
		}
		switch v := o.value.(type) {
		case nil:
			note = "required"
		case []any:
			items := make([]string, len(v))
			for i, item := range v {
				items[i] = item.(string)
			}
			note = "default " + strings.Join(items, ",")
		default:
			note = "default " + showValue(v, "")
		}
		rows = append(rows, []string{"  " + flag, strings.TrimSuffix(note, "default ")})
	}
	rows = append(rows, []string{"  -h, --help", "shows this"})
	return "usage: " + script + " [options] [ARG…]\n\n" + align(rows) + "\n"
}
