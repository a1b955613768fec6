// Package flags has what the flags of dkvrun and of dkvrun test share.
package flags

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/runtime"
)

// FromEnvironment sets the named flags that were not given from the environment; source becomes the
// variable that the managers come from.
func FromEnvironment(set *pflag.FlagSet, names []string, source *string, getenv func(string) string) error {
	for _, name := range names {
		variable := "DKVRUN_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		value := getenv(variable)
		if value == "" || set.Changed(name) {
			continue
		}
		if err := set.Set(name, value); err != nil {
			return exit.Misuse("correct it, or unset it", "%s=%s: %v", variable, value, cause(err))
		}
		if name == "managers" {
			*source = variable
		}
	}
	return nil
}

// cause is the reason in pflag's account of a bad value, without the flag's name.
func cause(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok || inner.Unwrap() == nil {
			return err
		}
		err = inner.Unwrap()
	}
}

// Usages lists flags; that a switch may also be given a value need not stand at each.
func Usages(set *pflag.FlagSet) string {
	return strings.ReplaceAll(set.FlagUsages(), "[=true|false]", "             ")
}

// Near is the hint for a flag that doesn't exist.
func Near(set *pflag.FlagSet, err error, command string) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		set.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := runtime.Suggest(unknown.GetSpecifiedName(), names); near != "" {
			return "did you mean --" + near + "?"
		}
	}
	return command + " --help lists the flags"
}
