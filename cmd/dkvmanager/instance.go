package main

import (
	"context"
	"errors"
	"flag"
	"io"

	"dkvrun/cmd/dkvmanager/internal/engine/etcd"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
)

// runInstance runs one instance process. Only the supervisor starts it, never a person.
func runInstance(ctx context.Context, args []string, stderr io.Writer) int {
	set := flag.NewFlagSet("dkvmanager instance", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	lifelineFD := set.Int("lifeline", -1, "")
	netFaultFD := set.Int("switchboard", -1, "")
	if err := set.Parse(args); err != nil {
		return fail(stderr, exitUsage, err)
	}
	if set.NArg() != 1 {
		return fail(stderr, exitUsage, errors.New("instance: want one folder; the manager starts instances itself"))
	}
	lifeline, err := openLifeline(*lifelineFD)
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	netFaultSocket, err := openNetFaultSocket(*netFaultFD)
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	if err := process.Run(ctx, etcd.New(), set.Arg(0), lifeline, netFaultSocket, stderr); err != nil {
		return fail(stderr, exitError, err)
	}
	return exitOK
}
