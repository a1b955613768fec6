package testcmd

import (
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/flags"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/suite"
	"dkvrun/runtime/wire"
)

// testOptions holds the command line of dkvrun test.
type testOptions struct {
	paths       []string
	managers    []string
	session     []fanout.Endpoint // the endpoints of managers
	source      string
	managerPort int
	credential  flags.Credential
	secured     bool // local_cluster starts secured managers by default

	jobs, repeat, retries int
	shuffle, failFast     bool
	seed                  uint64
	timeout               flags.Seconds
	filter                string
	tags, without         []string
	rerunFailed           bool
	list, watch, update   bool
	reports               []string
	verbose               bool
	color                 string
	help                  bool
	again                 string // the command that repeats the run

	flags *pflag.FlagSet
}

// defaultTestTimeout is the time limit of a test without --timeout.
const defaultTestTimeout = 60 * time.Second

func (o *testOptions) flagSet() *pflag.FlagSet {
	f := pflag.NewFlagSet("dkvrun test", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SortFlags = false
	o.timeout, o.color = flags.Seconds(defaultTestTimeout), "auto"
	f.IntVarP(&o.jobs, "jobs", "j", goruntime.GOMAXPROCS(0), "the number of files that run at the same time")
	f.BoolVar(&o.shuffle, "shuffle", false, "run files, and the tests in each block, in random order")
	f.Uint64Var(&o.seed, "seed", 0, "the `NUMBER` that determines the order and all random numbers; a new one by default")
	f.StringVarP(&o.filter, "filter", "f", "", "only tests whose full name matches the regular expression `RE`")
	f.StringSliceVarP(&o.tags, "tags", "t", nil, "only tests with any of these `TAGS`: a tag is a word like #slow in a name")
	f.StringSliceVar(&o.without, "exclude-tags", nil, "no tests with any of these `TAGS`")
	f.BoolVar(&o.failFast, "fail-fast", false, "start no further test after a failure")
	f.IntVar(&o.repeat, "repeat", 1, "run everything `N` times")
	f.IntVar(&o.retries, "retries", 0, "repeat a failed test up to `N` times; if it passes then, it is marked flaky")
	f.Var(&o.timeout, "timeout", "the time limit of each test with its before_each, and of each other hook")
	f.BoolVar(&o.rerunFailed, "rerun-failed", false, "only the tests that failed in the last run in this folder")
	f.BoolVar(&o.update, "update-snapshots", false, "write the snapshots instead of comparing with them")
	f.BoolVar(&o.list, "list", false, "list the tests without running them")
	f.BoolVar(&o.watch, "watch", false, "run again when a Lua file in the paths changes")
	f.StringArrayVarP(&o.reports, "report", "r", nil, "`FORMAT[:FILE]`, repeatable: terminal, tap, tap13, junit, json; standard output without a file")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show a line for each test instead of a dot")
	f.Var(flags.Choice{Value: &o.color, Words: []string{"auto", "always", "never"}}, "color", "colour on the terminal")
	f.BoolVar(&o.secured, "secured", false, "local_cluster starts secured managers, unless a call says secured = false")
	f.StringArrayVarP(&o.managers, "managers", "m", nil, "the session of each file: `HOST[:PORT]`, separated by commas, or @FILE with one per line")
	f.IntVar(&o.managerPort, "manager-port", wire.DefaultManagerPort, "the port of managers that are given without one")
	o.credential.Add(f)
	f.BoolVarP(&o.help, "help", "h", false, "show this help")
	return f
}

// parseTest reads the arguments of dkvrun test.
func parseTest(p *process.Process, args []string) (*testOptions, error) {
	o := &testOptions{source: "-m"}
	o.flags = o.flagSet()
	if err := o.flags.Parse(args); err != nil {
		return nil, exit.Misuse(flags.Near(o.flags, err, "dkvrun test"), "test: %v", err)
	}
	o.paths = o.flags.Args()
	for _, limit := range []struct {
		flag         string
		value, least int
	}{{"jobs", o.jobs, 1}, {"repeat", o.repeat, 1}, {"retries", o.retries, 0}} {
		if limit.value < limit.least || limit.value > 10_000 {
			return nil, exit.Misuse("", "test: --%s %d: want %d to 10000", limit.flag, limit.value, limit.least)
		}
	}
	if !o.flags.Changed("seed") {
		o.seed = uint64(rand.Uint32())
	}
	o.again = o.rerun(p.Name)
	list := o.credential.Unless([]string{"managers", "manager-port", "color", "credential", "token-file"})
	err := flags.FromEnvironment(o.flags, list, &o.source, p.Getenv)
	if err == nil {
		err = o.credential.Check()
	}
	if err != nil {
		return nil, err
	}
	if o.flags.Changed("managers") {
		o.session, err = flags.ReadManagers(o.managers, o.source, o.managerPort)
	}
	return o, err
}

// run returns the options of package suite to run the suites in paths.
func (o *testOptions) run(paths []string) (suite.Options, error) {
	files, err := suite.Find(paths)
	if err != nil {
		return suite.Options{}, exit.Misuse("name files, or folders with *_test.lua in them", "test: %v", err)
	}
	s := suite.Options{
		Files: files, Jobs: o.jobs, Shuffle: o.shuffle, Seed: o.seed, FailFast: o.failFast, Repeat: o.repeat,
		Retries: o.retries,
		Timeout: time.Duration(o.timeout), UpdateSnapshots: o.update,
		Select: suite.Selection{Tags: o.tags, Without: o.without},
	}
	if o.filter != "" {
		if s.Select.Name, err = regexp.Compile(o.filter); err != nil {
			return s, exit.Misuse("", "test: --filter: %v", err)
		}
	}
	return s, nil
}

// rerun returns the shell command that repeats the run; program is the name that dkvrun was called by.
func (o *testOptions) rerun(program string) string {
	words := []string{quoted(program), "test"}
	o.flags.Visit(func(f *pflag.Flag) {
		switch value := f.Value.(type) {
		case pflag.SliceValue:
			for _, v := range value.GetSlice() {
				words = append(words, "--"+f.Name, quoted(v))
			}
		default:
			switch {
			case f.Name == "seed" || f.Name == "watch" || f.Name == "rerun-failed":
			case f.Value.Type() == "bool":
				words = append(words, "--"+f.Name)
			default:
				words = append(words, "--"+f.Name, quoted(f.Value.String()))
			}
		}
	})
	words = append(words, "--seed", fmt.Sprint(o.seed))
	if slices.ContainsFunc(o.paths, func(path string) bool { return strings.HasPrefix(path, "-") }) {
		words = append(words, "--")
	}
	for _, path := range o.paths {
		words = append(words, quoted(path))
	}
	return strings.Join(words, " ")
}

// quoted returns a word in the syntax of a shell, in quotes if it needs them.
func quoted(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !slices.Contains([]rune("/._-+:,@%="), r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
