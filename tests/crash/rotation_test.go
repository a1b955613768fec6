package crash

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A crash at any point of the first and of the last step leaves a state from which the same command goes on.
func TestRotation_Crashes(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"rotate.made", "rotate.added", "rotate.issuers", "rotate.authority"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			folder := filepath.Join(dir, "data")
			command := func(failpoint string, args ...string) (string, error) {
				cmd := exec.Command(dkvmanager, append(args, "--data-dir", folder)...)
				cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME=", "DKV_FAILPOINT="+failpoint)
				said, err := cmd.CombinedOutput()
				return string(said), err
			}
			if said, err := command("", "init", "--cluster", "prod", "--no-serve"); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			if said, err := command(point+"=kill", "pki", "rotate"); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("not killed: %v: %s", err, said)
			}
			if said, err := command("", "pki", "status"); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			said, err := command("", "pki", "rotate")
			if err != nil && !strings.Contains(said, "start the manager of this server") {
				t.Fatalf("%v: %s", err, said)
			}
			said, err = command("", "pki", "status")
			if err != nil || strings.Count(said, "\nauthority ") != 2 || !strings.Contains(said, "its key is on this server") {
				t.Errorf("%v: %s", err, said)
			}
			if _, err := os.Stat(filepath.Join(folder, "pki", "next-authority.pem")); !os.IsNotExist(err) {
				t.Errorf("the next authority is still there: %v", err)
			}
		})
	}
}
