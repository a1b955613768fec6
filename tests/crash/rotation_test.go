package crash

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rotated is a secured cluster of one server whose manager doesn't run.
type rotated struct {
	t           *testing.T
	dir, folder string
}

func newRotated(t *testing.T) *rotated {
	t.Helper()
	dir := t.TempDir()
	r := &rotated{t, dir, filepath.Join(dir, "data")}
	r.must("", "init", "--cluster", "prod", "--no-serve")
	return r
}

func (r *rotated) command(failpoint string, args ...string) (string, error) {
	cmd := exec.Command(dkvmanager, append(args, "--data-dir", r.folder)...)
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "XDG_CONFIG_HOME=", "DKV_FAILPOINT="+failpoint)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

func (r *rotated) must(failpoint string, args ...string) string {
	r.t.Helper()
	said, err := r.command(failpoint, args...)
	if err != nil {
		r.t.Fatalf("%q: %v: %s", args, err, said)
	}
	return said
}

// killed runs a command that a failpoint kills.
func (r *rotated) killed(point string, args ...string) {
	r.t.Helper()
	if said, err := r.command(point+"=kill", args...); err == nil || !strings.Contains(err.Error(), "killed") {
		r.t.Fatalf("%s: not killed: %v: %s", point, err, said)
	}
}

// has reports whether a file of keys is there.
func (r *rotated) has(file string) bool {
	_, err := os.Stat(filepath.Join(r.folder, "pki", file))
	return err == nil
}

// status checks that pki status shows so many authorities, of which the newest one signs.
func (r *rotated) status(authorities int) string {
	r.t.Helper()
	said := r.must("", "pki", "status")
	if strings.Count(said, "\nauthority ") != authorities || !strings.Contains(said, "its key is on this server") {
		r.t.Errorf("want %d authorities: %s", authorities, said)
	}
	return said
}

// A crash at any point of the first step leaves a state from which the same command goes on.
func TestRotation_Crashes(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"rotate.made", "rotate.added", "rotate.issuers", "rotate.authority"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			r := newRotated(t)
			r.killed(point, "pki", "rotate")
			r.must("", "pki", "status")
			r.must("", "pki", "rotate")
			r.status(2)
			if r.has("next-authority.pem") || !r.has("previous-authority.pem") {
				t.Error("the files of the authorities are not what they should be")
			}
		})
	}
}

// A rotation is taken back, also after a crash at any point of that and without the new key, and another one begins.
func TestRotation_TakenBack(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"", "rotate.back", "rotate.aborted"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			r := newRotated(t)
			before := r.status(1)
			r.must("", "pki", "rotate")
			r.must("", "credential", "--name", "ci", "--role", "viewer", "--out", filepath.Join(r.dir, "ci.pem"))
			if err := os.Remove(filepath.Join(r.folder, "pki", "authority.pem")); err != nil {
				t.Fatal(err)
			}
			if said := r.must("", "pki", "status"); !strings.Contains(said, "pki rotate --abort") {
				t.Errorf("it doesn't say what to do: %s", said)
			}
			if point != "" {
				r.killed(point, "pki", "rotate", "--abort")
			}
			if point != "rotate.aborted" {
				r.must("", "pki", "rotate", "--abort")
			}
			after := r.status(1)
			if a, b := authorityOf(before), authorityOf(after); a != b {
				t.Errorf("the authority was %s, and is %s", a, b)
			}
			if r.has("next-authority.pem") || r.has("previous-authority.pem") {
				t.Error("files of the rotation are left")
			}
			if said, err := r.command("", "pki", "rotate", "--abort"); err == nil || !strings.Contains(said, "no rotation") {
				t.Errorf("taken back twice: %v, %s", err, said)
			}
			r.must("", "credential", "--name", "ci2", "--role", "viewer", "--out", filepath.Join(r.dir, "ci2.pem"))
			r.must("", "pki", "rotate")
			r.status(2)
		})
	}
}

// authorityOf returns the line about the only authority in the output of pki status.
func authorityOf(status string) string {
	_, text, _ := strings.Cut(status, "\nauthority ")
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
}

// The old key alone, as an export has it, is enough to take a rotation back: without the new one it can't end.
func TestRotation_KeyLost(t *testing.T) {
	t.Parallel()
	r := newRotated(t)
	phrase, export := filepath.Join(r.dir, "phrase"), filepath.Join(r.dir, "authority.age")
	if err := os.WriteFile(phrase, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.must("", "pki", "export", "--out", export, "--passphrase-file", phrase)
	before := r.status(1)
	r.must("", "pki", "rotate")
	for _, file := range []string{"authority.pem", "previous-authority.pem"} {
		if err := os.Remove(filepath.Join(r.folder, "pki", file)); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := r.command("", "pki", "rotate", "--abort"); err == nil || !strings.Contains(said, "pki import") {
		t.Fatalf("without any key: %v, %s", err, said)
	}
	r.must("", "pki", "import", export, "--passphrase-file", phrase)
	for _, command := range []string{"status", "rotate"} {
		said, err := r.command("", "pki", command)
		if (err == nil) != (command == "status") || !strings.Contains(said, "is not on this server: bring it here") ||
			!strings.Contains(said, "pki rotate --abort") {
			t.Errorf("pki %s: %v, %s", command, err, said)
		}
	}
	r.must("", "pki", "rotate", "--abort")
	if a, b := authorityOf(before), authorityOf(r.status(1)); a != b {
		t.Errorf("the authority was %s, and is %s", a, b)
	}
}
