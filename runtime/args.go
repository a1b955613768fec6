package runtime

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"dkvrun/runtime/printable"
)

// ArgsBuiltin returns the builtin args{…}, which declares the script's options and reads them from Options.Args.
func ArgsBuiltin() Builtin {
	return Builtin{
		Name:  "args",
		Group: "Script",
		Doc: "Declares the script's own options and reads them from its command line. Each name has a type (\"string\", \"integer\", " +
			"\"number\", \"boolean\", \"list\"), which makes it required, or a default, which gives it a type. " +
			"The script then accepts `--name VALUE` and `--name=VALUE`, `--name` and `--no-name` for a boolean, commas or a repeated option for a list, and `--help`.",
		Params: []Param{{
			Name: "options", Type: Any, Required: true,
			Doc:   "a table of the options: their names, in snake_case, and their types or defaults",
			Check: checkOptions,
		}, {
			Name: "about", Type: String,
			Doc: "what the script does, for `--help`: shown as it is, before the options",
		}},
		Positional: 2,
		Returns:    "a table with the options' values by name and the other arguments of the command line as list items",
		Example: "local opt = args({store = \"OrdersStore\", count = 2, verbose = false}, \"Fills a store with samples.\")\n" +
			"print(opt.store, opt.count, #opt)",
		Impl: readArgs,
	}
}

// option is one declared option of a script.
type option struct {
	name     string // in snake_case
	kind     string // string, integer, number, boolean or list
	value    any    // default, then the value
	required bool   // and not given yet
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

// declareOption returns the option for a type's name or for a default.
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
	script, args := c.Host.script()
	if wantsHelp(args) {
		fmt.Fprint(c.Host.stdout(), printable.Text(usage(script, c.String("about"), options)))
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
		shown := mixedTable{items: rest, keysFirst: true}
		for _, name := range sortedKeys(declared) {
			if v := values[name]; v != nil {
				shown.keys, shown.rest = append(shown.keys, name), append(shown.rest, v)
			}
		}
		return showValue(shown)
	}
	return List{Items: rest, Type: result, Values: values, String: show}, nil
}

// usage returns the text that --help prints. About says what the script does, or is empty.
func usage(script, about string, options []*option) string {
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
			note = "default " + showValue(v)
		}
		rows = append(rows, []string{"  " + flag, strings.TrimSuffix(note, "default ")})
	}
	rows = append(rows, []string{"  -h, --help", "shows this"})
	if about = strings.TrimSpace(about); about != "" {
		about += "\n\n"
	}
	return "usage: " + script + " [options] [ARG…]\n\n" + about + align(rows) + "\n"
}

// commandLine reads a script's arguments into its options.
type commandLine struct {
	options []*option
	args    []string
}

func wantsHelp(args []string) bool {
	for _, a := range args {
		switch a {
		case "--help", "-h":
			return true
		case "--":
			return false
		}
	}
	return false
}

// read returns the arguments that are no options. Both may be mixed; all arguments after "--" are no options.
func (l *commandLine) read() (rest []any, err error) {
	for len(l.args) > 0 {
		arg := l.args[0]
		l.args = l.args[1:]
		switch {
		case arg == "--":
			for _, a := range l.args {
				rest = append(rest, a)
			}
			return rest, nil
		case strings.HasPrefix(arg, "--"):
			if err := l.option(arg); err != nil {
				return nil, err
			}
		case len(arg) > 1 && arg[0] == '-' && !isDigit(arg[1]):
			return nil, fmt.Errorf("unknown option %s: options begin with -- (--help shows all)", arg)
		default:
			rest = append(rest, arg)
		}
	}
	return rest, nil
}

func (l *commandLine) option(arg string) error {
	flag, value, hasValue := strings.Cut(arg, "=")
	name := strings.ReplaceAll(strings.TrimPrefix(flag, "--"), "-", "_")
	o := l.find(name)
	if o == nil {
		if o = l.find(strings.TrimPrefix(name, "no_")); o == nil || o.kind != "boolean" {
			return l.unknown(flag)
		}
		if hasValue {
			return fmt.Errorf("%s takes no value", flag)
		}
		return o.set("false")
	}
	switch {
	case hasValue:
	case o.kind == "boolean":
		value = "true"
	case len(l.args) == 0:
		return fmt.Errorf("%s: its value is missing (%s)", flag, o.kind)
	default:
		value = l.args[0]
		l.args = l.args[1:]
	}
	return o.set(value)
}

func (l *commandLine) find(name string) *option {
	for _, o := range l.options {
		if o.name == name {
			return o
		}
	}
	return nil
}

func (l *commandLine) unknown(flag string) error {
	flags := make([]string, 0, len(l.options)+1)
	for _, o := range l.options {
		flags = append(flags, o.flag())
	}
	if near := Suggest(flag, append(flags, "--help")); near != "" {
		return fmt.Errorf("unknown option %s: did you mean %s?", flag, near)
	}
	return fmt.Errorf("unknown option %s (--help shows all)", flag)
}

// set sets the value from the command line. A list may be given several times, other options once.
func (o *option) set(text string) error {
	if o.given && o.kind != "list" {
		return fmt.Errorf("%s: given twice", o.flag())
	}
	first := !o.given
	o.given, o.required = true, false
	switch o.kind {
	case "string":
		o.value = text
	case "integer":
		n, err := strconv.ParseInt(text, 10, 54) // exact as a Lua number
		if err != nil {
			return fmt.Errorf("%s: got %q, want an integer", o.flag(), text)
		}
		o.value = int(n)
	case "number":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return fmt.Errorf("%s: got %q, want a number", o.flag(), text)
		}
		o.value = f
	case "boolean":
		if text != "true" && text != "false" {
			return fmt.Errorf("%s: got %q, want true or false", o.flag(), text)
		}
		o.value = text == "true"
	case "list":
		list, _ := o.value.([]any)
		if first { // the first value replaces the default
			list = []any{}
		}
		for _, item := range strings.Split(text, ",") {
			if item != "" {
				list = append(list, item)
			}
		}
		o.value = list
	}
	return nil
}
