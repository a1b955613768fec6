package suite

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const suffix = "_test.lua"

// Find lists the suites in the given paths: each file, and all *_test.lua in each folder at any depth, sorted, except
// in hidden folders. No path means the working folder.
func Find(paths []string) ([]string, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err.(*fs.PathError).Err)
		}
		found := []string{filepath.Clean(path)}
		if info.IsDir() {
			if found, err = within(path); err != nil {
				return nil, err
			}
		}
		for _, file := range found {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no *%s in %s", suffix, strings.Join(paths, ", "))
	}
	return files, nil
}

func within(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != folder && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !entry.IsDir() && strings.HasSuffix(path, suffix):
			files = append(files, filepath.Clean(path))
		}
		return nil
	})
	return files, err
}
