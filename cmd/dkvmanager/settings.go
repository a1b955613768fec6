package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pelletier/go-toml/v2"

	"dkvrun/cmd/dkvmanager/internal/external"
	"dkvrun/cmd/dkvmanager/internal/security"
)

// Where settings come from, besides the command line.
const (
	configFlag     = "config"
	configVariable = "DKVMANAGER_CONFIG"
	defaultConfig  = "/etc/dkvmanager.toml"
	variablePrefix = "DKVMANAGER_"
)

// settings are the flags of a manager that serves, as the configuration file has them. Other commands use those of
// their own flags.
type settings struct {
	Listen      *string  `toml:"listen"`
	DataDir     *string  `toml:"data_dir"`
	Advertise   *string  `toml:"advertise"`
	AlsoKnownAs []string `toml:"also_known_as"`
	Insecure    *bool    `toml:"insecure"`
	TLS         *string  `toml:"tls"`
	AuditLog    *string  `toml:"audit_log"`

	TLSCert       *string `toml:"tls_cert"`
	TLSKey        *string `toml:"tls_key"`
	TLSCA         *string `toml:"tls_ca"`
	TLSIdentities *string `toml:"tls_identities"`
}

// key returns the name of a flag in the configuration file, and variable its environment variable.
func key(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

func variable(flag string) string { return variablePrefix + strings.ToUpper(key(flag)) }

// origins holds where the values of flags come from, by flag: "the command line", a variable, or a file. A flag that
// is not in it has its default.
type origins map[string]string

// applySettings gives the flags of a parsed set that the command line doesn't have the values of their environment
// variables, or else of the configuration file: that of --config or DKVMANAGER_CONFIG, which must exist, or
// /etc/dkvmanager.toml. A throw-away manager, which has a lifeline, takes neither.
func applySettings(set *flag.FlagSet) (origins, error) {
	from := origins{}
	set.Visit(func(f *flag.Flag) { from[f.Name] = "the command line" })
	if _, throwAway := from["lifeline"]; throwAway {
		return from, nil
	}
	if err := checkVariables(os.Environ()); err != nil {
		return nil, err
	}
	path, given := os.LookupEnv(configVariable)
	if _, is := from[configFlag]; is {
		path, given = set.Lookup(configFlag).Value.String(), true
	}
	if !given {
		path = defaultConfig
	}
	file, err := readSettings(path, given)
	if err != nil {
		return nil, err
	}
	for _, name := range settingNames() {
		f := set.Lookup(name)
		if _, is := from[name]; is || f == nil {
			continue
		}
		value, is := os.LookupEnv(variable(name))
		origin := variable(name)
		if !is {
			if value, is = file.value(name); !is {
				continue
			}
			origin = path
		}
		if err := f.Value.Set(value); err != nil {
			return nil, fmt.Errorf("%s: %s: %q can't be used: %w", origin, key(name), value, err)
		}
		from[name] = origin
	}
	return from, nil
}

// readSettings reads a configuration file. Without one it returns no settings, unless the file was named.
func readSettings(path string, named bool) (*settings, error) {
	out := &settings{}
	if path == "" {
		return out, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the configuration file: %w", err)
	}
	decoder := toml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	err = decoder.DisallowUnknownFields().Decode(out)
	var unknown *toml.StrictMissingError
	var invalid *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		line, _ := unknown.Errors[0].Position()
		return nil, fmt.Errorf("%s:%d: unknown setting %s: there are %s", path, line,
			strings.Join(unknown.Errors[0].Key(), "."), keys())
	case errors.As(err, &invalid):
		line, _ := invalid.Position()
		return nil, fmt.Errorf("%s:%d: %s", path, line, strings.TrimPrefix(invalid.Error(), "toml: "))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// settingNames returns the flags that the configuration file has.
func settingNames() []string {
	var out []string
	for field := range reflect.TypeFor[settings]().Fields() {
		out = append(out, strings.ReplaceAll(field.Tag.Get("toml"), "_", "-"))
	}
	return out
}

// keys returns the names of all settings in the configuration file, for messages.
func keys() string {
	names := settingNames()
	for i, name := range names {
		names[i] = key(name)
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// value returns the value of a flag in the configuration file, as on a command line.
func (s *settings) value(name string) (string, bool) {
	v := reflect.ValueOf(s).Elem().Field(slices.Index(settingNames(), name))
	if v.IsNil() {
		return "", false
	}
	switch v := v.Interface().(type) {
	case *string:
		return *v, true
	case *bool:
		return fmt.Sprint(*v), true
	case []string:
		return strings.Join(v, ","), true
	default:
		panic("settings have strings, lists of strings and booleans")
	}
}

// checkVariables refuses environment variables with the manager's prefix that are no settings: most likely typos.
func checkVariables(environment []string) error {
	known := []string{configVariable}
	for _, name := range settingNames() {
		known = append(known, variable(name))
	}
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) && !slices.Contains(known, name) {
			return fmt.Errorf("unknown environment variable %s: there are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// runCheckConfig shows the settings of a manager that serves, and where each comes from, and reads the files of an
// organisation's own certificates. It starts nothing.
func runCheckConfig(_ context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("check-config: %w", err))
	}
	if o.external.Given() {
		if _, err := external.Open(o.external, security.ClusterOf(o.dataDir), time.Now); err != nil {
			return fail(stderr, exitUsage, fmt.Errorf("check-config: %w", err))
		}
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, name := range settingNames() {
		origin, is := o.origins[name]
		if !is {
			origin = "the default"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", key(name), o.shown[name], origin)
	}
	if err := table.Flush(); err != nil {
		return fail(stderr, exitError, err)
	}
	return exitOK
}
