package flags

import (
	"fmt"
	"os"
	"strings"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/runtime/fanout"
)

// maxList bounds a list of managers, in bytes.
const maxList = 8 << 20

// ReadManagers is the session that a list names, which comes from source: a flag or a variable.
func ReadManagers(list []string, source string, port int) ([]fanout.Endpoint, error) {
	list, err := unfold(list)
	if err != nil {
		return nil, exit.Misuse("", "%s: %v", source, err)
	}
	if len(list) == 0 {
		return nil, exit.Misuse("name at least one server, such as 10.0.0.11 or host:7801", "%s names no managers", source)
	}
	session, err := fanout.ParseEndpoints(list, port)
	if err != nil {
		return nil, exit.Misuse("", "%s: %v", source, err)
	}
	return session, nil
}

// unfold puts the contents of files in the place of their names: an element @FILE stands for the
// managers in it, a line each. Empty lines and what follows a # don't count.
func unfold(list []string) ([]string, error) {
	var out []string
	for element := range strings.SplitSeq(strings.Join(list, ","), ",") {
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
