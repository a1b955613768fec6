package process

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/storetest"
)

func TestLog_RotatesAtStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := folder + "/" + engine.LogFile
	if err := os.WriteFile(path, make([]byte, maxLog+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second log is short
		f, err := OpenLog(folder)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("new\n"); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "new\nnew\n" {
		t.Errorf("log %q, %v", text, err)
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() != maxLog+1 {
		t.Errorf("old log: %v, %v", info, err)
	}
}

// TestLog_RotatesWhileRunning begins new logs while a process writes as fast as it can, and counts its lines.
func TestLog_RotatesWhileRunning(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	log, err := OpenLog(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	in := startWithLog(t, folder, "talks", log)
	old := filepath.Join(folder, engine.OldLogFile)
	storetest.Wait(t, 30*time.Second, func() (bool, string) {
		info, err := os.Stat(old)
		return err == nil && info.Size() > maxLog, "the log before is not there yet"
	})
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = in.wait(10 * time.Second)
	for _, name := range []string{engine.OldLogFile, engine.LogFile} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.SplitAfter(string(text), "\n") {
			if line != "a line\n" && line != "the fake engine is up\n" && line != "" {
				t.Fatalf("%s has the line %q", name, line)
			}
		}
	}
}
