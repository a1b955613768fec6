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

// FindManager gives the path of the manager's program: the one that DKVRUN_MANAGER names, else the one
// beside the running executable, else the first on the PATH. A DKVRUN_MANAGER that can't be run is an
// error: something else would not be what was asked for.
func FindManager(getenv func(string) string, executable string) (string, error) {
	if path := getenv(variable); path != "" {
		if !runnable(path) {
			return "", fmt.Errorf("%s names %s, which is not a program that can be run: correct or unset it", variable, path)
		}
		return path, nil
	}
	beside := filepath.Dir(executable)
	if real, err := filepath.EvalSymlinks(executable); err == nil {
		beside = filepath.Dir(real)
	}
	tried := []string{beside}
	for _, folder := range filepath.SplitList(getenv("PATH")) {
		if filepath.IsAbs(folder) { // a relative one would make it depend on where the runner stands
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
