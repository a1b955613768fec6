package main

import (
	"io"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/flags"
	"dkvrun/cmd/dkvrun/internal/interrupt"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// options holds the command line and what it takes from the environment.
type options struct {
	managers    []string          // the values of -m
	session     []fanout.Endpoint // the endpoints of managers
	source      string            // where managers came from: -m, DKVRUN_MANAGERS or --local
	managerPort int
	credential  flags.Credential
	local       int
	secured     bool
	keep        string
	timeout     flags.Seconds
	maxMemory   int // MiB
	seed        uint64
	reason      string // as wire.EncodeReason writes it, after checkRest
	output      string
	color       string
	eval        string
	isEval      bool

	quiet, verbose, trace        bool
	yes, strict, keepGoing, down bool
	dryRun                       bool
	help, version                bool

	// command is help, test or check; empty to run a script or an expression.
	command string
	// script is a path, or "-" for standard input; empty with -e.
	script string
	args   []string

	flags *pflag.FlagSet
}

func (o *options) flagSet() *pflag.FlagSet {
	f := pflag.NewFlagSet("dkvrun", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SetInterspersed(false)
	f.SortFlags = false
	o.output, o.color = "table", "auto"
	f.StringVarP(&o.eval, "eval", "e", "", "run `EXPR`, an expression or a chunk, and show its value")
	f.StringArrayVarP(&o.managers, "managers", "m", nil, "the session: `HOST[:PORT]`, separated by commas, or @FILE with one per line")
	f.IntVar(&o.managerPort, "manager-port", wire.DefaultManagerPort, "the port of managers that are given without one")
	o.credential.Add(f)
	f.IntVar(&o.local, "local", 0, "start `N` managers on this machine as the session; delete them at the end")
	f.BoolVar(&o.secured, "secured", false, "with --local: managers and stores speak TLS, and the run is their admin")
	f.StringVar(&o.keep, "keep", "", "with --local: keep the cluster's data in `DIR` for another run")
	f.Var(&o.timeout, "timeout", "end the run with status 124 after this time: seconds, or with a unit as in 5m")
	f.IntVar(&o.maxMemory, "max-memory", interrupt.DefaultMemoryMiB, "end the run when it uses more than `MIB` of memory")
	f.Uint64Var(&o.seed, "seed", 0, "`N` seeds math.random: runs with the same seed get the same numbers")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for the managers' audit logs: why the run changes something")
	f.VarP(flags.Choice{Value: &o.output, Words: []string{"table", "json"}}, "output", "o", "the format of results; json prints one document at the end")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "show only rows of failures, and no notices")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show more: duration and attempts of each row")
	f.Var(flags.Choice{Value: &o.color, Words: []string{"auto", "always", "never"}}, "color", "colour in tables")
	f.BoolVar(&o.trace, "trace", false, "show the Lua traceback of an error")
	f.BoolVarP(&o.yes, "yes", "y", false, "answer yes to all questions; can't be set in the environment")
	f.BoolVar(&o.dryRun, "dry-run", false, "run all checks and show what would be done; change nothing")
	f.BoolVar(&o.strict, "strict", false, "raise an error at every failed result")
	f.BoolVar(&o.keepGoing, "keep-going", false, "continue after failures that the script did not check; the run still fails at its end")
	f.BoolVar(&o.down, "allow-down", false, "continue if some managers don't answer; topology changes still need all of them")
	f.BoolVarP(&o.help, "help", "h", false, "show this help")
	f.BoolVar(&o.version, "version", false, "show the version")
	return f
}

// parse reads the command line, then the environment for flags that were not given.
func parse(args []string, getenv func(string) string) (*options, error) {
	o := &options{}
	o.flags = o.flagSet()
	if err := o.flags.Parse(args); err != nil {
		return nil, exit.Misuse(flags.Near(o.flags, err, "dkvrun"), "%v", err)
	}
	if o.help || o.version {
		return o, nil
	}
	o.isEval = o.flags.Changed("eval")
	o.source = "-m"
	rest := o.flags.Args()
	switch {
	case o.isEval && strings.TrimSpace(o.eval) == "":
		return nil, exit.Misuse("give one, such as -e 'get_store()'", "-e: the expression is empty")
	case o.isEval:
		o.args = rest
	case len(rest) == 0:
		return nil, exit.Misuse("dkvrun --help lists the flags", "nothing to run: give a SCRIPT.lua, '-' for standard input, or -e EXPR")
	case rest[0] == "version":
		o.version = true
		return o, nil
	case rest[0] == "help":
		o.command, o.args = "help", rest[1:]
		return o, nil
	case rest[0] == "test" || rest[0] == "check":
		o.command, o.args = rest[0], rest[1:]
		if o.flags.NFlag() > 0 {
			return nil, exit.Misuse("dkvrun "+o.command+" --help lists them", "flags of %[1]s must come after the word %[1]s", o.command)
		}
		return o, nil
	default:
		o.script, o.args = rest[0], rest[1:]
	}
	if o.flags.Changed("local") {
		return o, o.checkLocal()
	}
	for _, flag := range []string{"keep", "secured"} {
		if o.flags.Changed(flag) {
			return nil, exit.Misuse("add --local=N", "--%s needs --local", flag)
		}
	}
	if err := o.environment(getenv); err != nil {
		return nil, err
	}
	if err := o.checkRest(); err != nil {
		return nil, err
	}
	var err error
	if o.flags.Changed("managers") {
		o.session, err = flags.ReadManagers(o.managers, o.source, o.managerPort)
	}
	return o, err
}

// checkLocal checks the flags of a run with --local. Such a run ignores the environment.
func (o *options) checkLocal() error {
	if o.flags.Changed("managers") {
		return exit.Misuse("use only one of them", "-m and --local both name the session")
	}
	if o.local < 1 || o.local > 32 {
		return exit.Misuse("", "--local=%d: want 1 to 32 managers", o.local)
	}
	if o.credential.Given() {
		return exit.Misuse("leave it out", "--local needs no credential: with --secured it makes that of an admin")
	}
	return o.checkRest()
}

func (o *options) checkRest() error {
	if o.managerPort < 1 || o.managerPort > 65535 {
		return exit.Misuse("", "--manager-port %d: want 1 to 65535", o.managerPort)
	}
	if o.maxMemory < 1 || o.maxMemory > interrupt.MaxMemoryMiB {
		return exit.Misuse("", "--max-memory %d: want 1 to %d", o.maxMemory, interrupt.MaxMemoryMiB)
	}
	if err := o.credential.Check(); err != nil {
		return err
	}
	if o.flags.Changed("reason") {
		var err error
		if o.reason, err = wire.EncodeReason(o.reason); err != nil {
			return exit.Misuse("", "--reason %v", err)
		}
	}
	if o.strict && o.keepGoing {
		return exit.Misuse("use only one of them", "--strict and --keep-going exclude each other")
	}
	if o.quiet && o.verbose {
		return exit.Misuse("use only one of them", "--quiet and --verbose exclude each other")
	}
	return nil
}

// fromEnvironment lists the flags that the environment may set, as variables DKVRUN_ and their name. --yes is left
// out: the user must give it for each run.
var fromEnvironment = []string{"managers", "manager-port", "output", "color", "trace", "keep-going", "allow-down", "credential", "token-file", "reason"}

// environment sets flags that were not given from the environment. DKVRUN_STRICT, DKVRUN_DRY_RUN and DKVRUN_TIMEOUT
// apply even if a flag is less strict: a flag can only make a run stricter.
func (o *options) environment(getenv func(string) string) error {
	if err := flags.FromEnvironment(o.flags, o.credential.Unless(fromEnvironment), &o.source, getenv); err != nil {
		return err
	}
	if value := getenv("DKVRUN_TIMEOUT"); value != "" {
		var limit flags.Seconds
		if err := limit.Set(value); err != nil {
			return exit.Misuse("correct or unset it", "DKVRUN_TIMEOUT=%s: %v", value, err)
		}
		if o.timeout == 0 || limit < o.timeout {
			o.timeout = limit
		}
	}
	for variable, flag := range map[string]*bool{"DKVRUN_STRICT": &o.strict, "DKVRUN_DRY_RUN": &o.dryRun} {
		if value := getenv(variable); value != "" {
			on, err := strconv.ParseBool(value)
			if err != nil {
				return exit.Misuse("correct or unset it", "%s=%s: want true or false", variable, value)
			}
			*flag = *flag || on
		}
	}
	return nil
}
