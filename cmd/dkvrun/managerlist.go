package main

import (
	"fmt"
	"os"
	"strings"
)

// maxList bounds a list of managers, in bytes.
const maxList = 8 << 20

// readManagers puts the contents of files in the place of their names: an element @FILE stands for the
// managers in it, a line each. Empty lines and what follows a # don't count.
func readManagers(list []string) ([]string, error) {
	var out []string
	for _, element := range list {
		path, isFile := strings.CutPrefix(strings.TrimSpace(element), "@")
		if !isFile {
			out = append(out, element)
			continue
		}
		info, err := os.Stat(path)
		if err == nil && info.Size() > maxList {
			err = fmt.Errorf("%s: larger than %d MiB", path, maxList>>20)
		}
		var text []byte
		if err == nil {
			text, err = os.ReadFile(path)
		}
		if err != nil {
			return nil, fmt.Errorf("a list of managers can't be read: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); line != "" {
				out = append(out, line)
			}
		}
	}
	return out, nil
}
