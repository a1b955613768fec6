// Package flags holds what the flags of dkvrun and of dkvrun test share: types, environment variables and hints.
package flags

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/runtime"
)

// FromEnvironment sets the named flags that were not given from variables DKVRUN_ and their name. Where that sets the
// managers, it also sets source to the name of the variable.
func FromEnvironment(set *pflag.FlagSet, names []string, source *string, getenv func(string) string) error {
	for _, name := range names {
		variable := "DKVRUN_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		value := getenv(variable)
		if value == "" || set.Changed(name) {
			continue
		}
		if err := set.Set(name, value); err != nil {
			return exit.Misuse("correct or unset it", "%s=%s: %v", variable, value, cause(err))
		}
		if name == "managers" {
			*source = variable
		}
	}
	return nil
}

// cause returns the innermost error of pflag's error for a bad value; it does not repeat the flag's name.
func cause(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok || inner.Unwrap() == nil {
			return err
		}
		err = inner.Unwrap()
	}
}

// Usages returns the list of flags for a help text, without [=true|false] at each switch.
func Usages(set *pflag.FlagSet) string {
	return strings.ReplaceAll(set.FlagUsages(), "[=true|false]", "             ")
}

// Near returns the hint for an error of parsing: the flag with the most similar name, or where the flags are listed.
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
