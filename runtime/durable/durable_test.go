package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// read returns the content of a file, or "" if it does not exist.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// names returns the names in a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestReplace_NewAndExisting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "two", "three"} {
		if err := Replace(path, []byte(text), Options{Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	if got := names(t, dir); got != "f" {
		t.Errorf("the folder holds %s", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestReplace_WithoutPrevious(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "two"} {
		if err := Replace(path, []byte(text), Options{Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, dir); got != "f" || read(t, path) != "two" {
		t.Errorf("the folder holds %s, the file %q", got, read(t, path))
	}
}

// Replace overwrites temporary files that a crash left behind.
func TestReplace_AfterCrash(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for name, text := range map[string]string{"f": "old", "f.tmp": "a longer half of something"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	must(t, Replace(path, []byte("new"), Options{Mode: 0o600}))
	if got := names(t, dir); got != "f" || read(t, path) != "new" {
		t.Errorf("the folder holds %s, the file %q", got, read(t, path))
	}
}

// failAt returns a failpoint that fails at one place as a full disk does.
func failAt(places ...string) func(string) error {
	return func(place string) error {
		if slices.Contains(places, place) {
			return &os.PathError{Op: "write", Path: "elsewhere", Err: syscall.ENOSPC}
		}
		return nil
	}
}

// A failure before the file has its new name leaves the old content, and no temporary file.
func TestReplace_FailsAtEachStep(t *testing.T) {
	for _, c := range []struct {
		place string
		step  Step
		after string
	}{{"written", StepWrite, "old"}, {"synced", StepSync, "old"}, {"renamed", StepSyncFolder, "new"}} {
		dir := t.TempDir()
		path := filepath.Join(dir, "f")
		must(t, Replace(path, []byte("old"), Options{Mode: 0o600}))
		err := Replace(path, []byte("new"), Options{Mode: 0o600, Failpoint: failAt(c.place)})
		var failed *Error
		if !errors.As(err, &failed) || failed.Step != c.step || failed.Path != path || !errors.Is(err, syscall.ENOSPC) ||
			failed.Unknown != (c.after == "new") {
			t.Errorf("%s: %#v", c.place, err)
		}
		if want := string(c.step) + " " + path + ": no space left on device"; err.Error() != want {
			t.Errorf("%s: %q, want %q", c.place, err, want)
		}
		if got := read(t, path); got != c.after || names(t, dir) != "f" {
			t.Errorf("%s: the file holds %q, want %q; the folder has %s", c.place, got, c.after, names(t, dir))
		}
	}
}

// The system can refuse each of the steps.
func TestReplace_SystemRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(t *testing.T, dir string)
		step  Step
	}{
		{"the folder is missing", func(t *testing.T, dir string) { must(t, os.Remove(dir)) }, StepWrite},
		{"a folder stands in the temporary file's place", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Join(dir, "f.tmp", "x"), 0o700))
		}, StepWrite},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			must(t, os.Mkdir(dir, 0o700))
			c.setup(t, dir)
			path := filepath.Join(dir, "f")
			before := read(t, path)
			var failed *Error
			if err := Replace(path, []byte("new"), Options{Mode: 0o600}); !errors.As(err, &failed) ||
				failed.Step != c.step {
				t.Errorf("got %v, want a failed %s", err, c.step)
			}
			if got := read(t, path); got != before {
				t.Errorf("the file holds %q, want %q", got, before)
			}
		})
	}
	t.Run("a folder stands in the file's place", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		must(t, os.MkdirAll(filepath.Join(path, "x"), 0o700))
		var failed *Error
		if err := Replace(path, []byte("new"), Options{Mode: 0o600}); !errors.As(err, &failed) || failed.Step != StepRename {
			t.Errorf("got %v, want a failed rename", err)
		}
		if got := names(t, filepath.Dir(path)); got != "f" {
			t.Errorf("the folder holds %s", got)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDurable_MakeFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := MakeFolder(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if err := MakeFolder(filepath.Join(file, "c"), 0o700); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
}

// In a shared folder somebody else may have put something in the place of the temporary file: a link to a file that is
// to be overwritten, or a file that he can read.
func TestReplace_NeitherFollowsNorKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "key.pem"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(temp string) error{
		"symbolic link": func(temp string) error { return os.Symlink(other, temp) },
		"hard link":     func(temp string) error { return os.Link(other, temp) },
		"open file":     func(temp string) error { return os.WriteFile(temp, []byte("longer than the secret"), 0o666) },
		"dangling link": func(temp string) error { return os.Symlink(filepath.Join(dir, "made"), temp) },
	} {
		if err := put(path + TempSuffix); err != nil {
			t.Fatal(err)
		}
		if err := Replace(path, []byte("secret"), Options{Mode: 0o600}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		for file, want := range map[string]string{other: "kept", path: "secret"} {
			if text, err := os.ReadFile(file); err != nil || string(text) != want {
				t.Errorf("%s: %s has %q, %v", name, file, text, err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err == nil {
		t.Error("a file was made at the end of a link")
	}
}
