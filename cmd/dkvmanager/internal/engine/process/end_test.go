package process

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// TestEnd_Reasons ends a process in each way that it can end, and reads what it left.
func TestEnd_Reasons(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		instance string
		end      func(*instance) error
		want     End
	}{
		"stopped": {"t-1", func(in *instance) error { return in.cmd.Process.Signal(syscall.SIGTERM) },
			End{Reason: "stopped: terminated signal received", Stopped: true}},
		"its runner ended": {"t-1", func(in *instance) error { return in.lifeline.Close() },
			End{Reason: "stopped: the runner has ended", Stopped: true}},
		"failed": {"fails", func(in *instance) error { return in.cmd.Process.Signal(syscall.SIGTERM) },
			End{Reason: "the fake engine failed"}},
		"killed":            {"t-1", func(in *instance) error { return in.cmd.Process.Kill() }, End{}},
		"crashed":           {"panics", nil, End{Reason: "panic: no room for 17 bytes"}},
		"ended by its word": {"ends", nil, End{Reason: "the write-ahead log is cut: unexpected EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := start(t, t.TempDir(), test.instance)
			if test.end != nil {
				in.up()
				if err := test.end(in); err != nil {
					t.Fatal(err)
				}
			}
			_ = in.wait(5 * time.Second)
			test.want.PID, test.want.SameBoot = in.cmd.Process.Pid, true
			if got, err := LastEnd(in.folder); err != nil || got == nil || *got != test.want {
				t.Errorf("%+v, %v; want %+v", got, err, test.want)
			}
			if err := ForgetEnd(in.folder); err != nil {
				t.Fatal(err)
			}
			if got, err := LastEnd(in.folder); got != nil || err != nil {
				t.Errorf("told once: %+v, %v", got, err)
			}
		})
	}
}

// TestEnd_OtherBoot reads what a process left that ran before the machine was restarted, and a damaged file.
func TestEnd_OtherBoot(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, engine.EndFile)
	for text, want := range map[string]string{
		`{"pid":7,"boot":"another"}` + strings.Repeat("\n", recordSize+crashSize): "",
		"":                                 "unexpected end of JSON input",
		strings.Repeat("\x00", recordSize): "invalid character",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		end, err := LastEnd(folder)
		if want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%.40q: %v; want %q", text, err, want)
		}
		if want == "" && (err != nil || *end != End{PID: 7}) {
			t.Errorf("%.40q: %+v, %v", text, end, err)
		}
	}
}

// TestEnd_LongReason writes a reason that is longer than the file has room for, with bytes that are no text.
func TestEnd_LongReason(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), engine.EndFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := &ending{file: f}
	if err := e.because(strings.Repeat("é", 4000)+"\xff", false); err != nil {
		t.Fatal(err)
	}
	end, err := LastEnd(filepath.Dir(f.Name()))
	if err != nil || end.Reason != strings.Repeat("é", maxReason/2) {
		t.Errorf("%+v, %v", end, err)
	}
	if err := e.because("a consequence", false); err != nil {
		t.Fatal(err)
	}
	if again, err := LastEnd(filepath.Dir(f.Name())); err != nil || *again != *end {
		t.Errorf("a second reason replaced the first: %+v, %v", again, err)
	}
}
