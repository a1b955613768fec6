package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

// endTime is the time limit for a script to end when its test is over.
const endTime = 6 * time.Second

// A runbook that a test runs inherits the read end of a pipe as descriptor LifelineFD, and LifelineVariable is set in
// its environment. When the pipe is closed, the runner of the test has ended.
const (
	LifelineVariable = "DKVRUN_LIFELINE"
	LifelineFD       = 3
)

var runScript = runtime.Builtin{
	Name: "run_script", Group: "Tests", Positional: 1,
	Doc: "Runs a runbook as the command line does, in a separate process with the session's managers, and returns its exit status and output.",
	Params: []runtime.Param{
		{Name: "script", Type: runtime.String, Required: true, Doc: "its path, relative to the suite's folder"},
		{Name: "args", Type: runtime.Strings, Doc: "the script's own arguments"},
		{Name: "flags", Type: runtime.Strings, Doc: "flags of dkvrun before the script: `--strict`, `-o json`, …"},
	},
	Returns:    "`{ok, status, stdout, stderr}`",
	ReturnType: "script run",
	Example: `it("lists what there is", function()
  local_cluster{servers = 2}
  assert.are.equal(2, run_script{"missing.lua"}.status)
end)`,
	Impl: execute,
}

var scriptRunType = &runtime.RecordType{Name: "script run", Doc: "The result of a runbook that a test has run.", Fields: []runtime.Field{
	{Name: "ok", Doc: "true when its exit status is 0"},
	{Name: "status", Doc: "its exit status"},
	{Name: "stdout", Doc: "its standard output"},
	{Name: "stderr", Doc: "its standard error"},
}}

func execute(c *runtime.Call) (any, error) {
	r := run.Of(c)
	f := r.Fixtures
	script := c.String("script")
	if !filepath.IsAbs(script) {
		script = filepath.Join(f.Folder, script)
	}
	args, environment := c.Strings("flags"), f.Environment
	if s := r.Scope(c).Session(); s != nil && s.Connected() {
		var managers []string
		for _, e := range s.Endpoints() {
			managers = append(managers, r.Client.Resolve(e).URL())
			if own, _ := f.Servers.Of(e); own != nil {
				environment = []string{"DKVRUN_CREDENTIAL=" + own.File, "DKVRUN_TOKEN_FILE="}
			}
		}
		args = append(args, "-m", strings.Join(managers, ","))
	}
	cmd := exec.CommandContext(c.Context(), f.Executable, append(append(args, script), c.Strings("args")...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = endTime
	lifeline, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer lifeline.Close()
	defer end.Close()
	cmd.ExtraFiles = []*os.File{lifeline}
	cmd.Env = append(append(cmd.Environ(), environment...), LifelineVariable+"="+strconv.Itoa(LifelineFD))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case c.Context().Err() != nil:
		return nil, c.Context().Err()
	case err != nil && !errors.As(err, &exit):
		return nil, fmt.Errorf("%s can't be run: %w", f.Executable, err)
	}
	status := cmd.ProcessState.ExitCode()
	r.Reporter.Notice(fmt.Sprintf("%s ended with status %d", script, status))
	return runtime.Record{Type: scriptRunType, Values: map[string]any{
		"ok": status == 0, "status": status, "stdout": stdout.String(), "stderr": stderr.String(),
	}}, nil
}
