package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	program  = "dkvmanager"
	variable = "DKVRUN_MANAGER"
)

// FindManager returns the path of the dkvmanager program: the value of DKVRUN_MANAGER, or the program beside the
// running executable, or the first on the PATH. It returns an error when DKVRUN_MANAGER is set and can't be run.
func FindManager(getenv func(string) string, executable string) (string, error) {
	if path := getenv(variable); path != "" {
		if !runnable(path) {
			return "", fmt.Errorf("%s=%s is not an executable program: correct or unset it", variable, path)
		}
		return path, nil
	}
	beside := filepath.Dir(executable)
	if real, err := filepath.EvalSymlinks(executable); err == nil {
		beside = filepath.Dir(real)
	}
	tried := []string{beside}
	for _, folder := range filepath.SplitList(getenv("PATH")) {
		if filepath.IsAbs(folder) { // a relative folder would make the result depend on the working folder
			tried = append(tried, folder)
		}
	}
	for _, folder := range tried {
		if path := filepath.Join(folder, program); runnable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("no %s found for a local cluster: not in %s; put it beside dkvrun, or set %s to its path",
		program, strings.Join(tried, ", "), variable)
}

func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
