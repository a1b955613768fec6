package runtime

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// commandLine reads a script's arguments into its options.
type commandLine struct {
	options []*option
	args    []string
}

func asksForHelp(args []string) bool {
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

// read returns what is left beside the options. Arguments and options may mix; all after "--" is
// left.
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

// set takes a value from the command line. A list grows with each, anything else is given once.
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
		if first { // the default is replaced, not added to
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
