package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// programs holds the paths of the measured programs and of the baselines, which are built once.
type programs struct {
	dkvrun string
	// The baselines, the fake managers, and curl if it is installed.
	luahttp, fasthttp, nethttp, share, managers, curl string
}

// build builds the baselines and the fake managers, from the project's folder, into a folder.
func build(ctx context.Context, dkvrun, into string) (*programs, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", into+string(os.PathSeparator),
		"./tests/bench/bare/luahttp", "./tests/bench/bare/fasthttp", "./tests/bench/bare/nethttp", "./tests/bench/share", "./tests/fakemanager")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the bare programs can't be built: %w\n%s", err, said)
	}
	in := func(name string) string { return filepath.Join(into, name) }
	p := &programs{
		dkvrun: dkvrun, luahttp: in("luahttp"), fasthttp: in("fasthttp"), nethttp: in("nethttp"), share: in("share"), managers: in("fakemanager"),
	}
	if curl, err := exec.LookPath("curl"); err == nil {
		p.curl = curl
	}
	return p, nil
}
