package flags

import (
	"fmt"
	"os"
	"strings"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/runtime/fanout"
)

// maxList bounds a file with managers, in bytes.
const maxList = 8 << 20

// ReadManagers returns the endpoints of a list of managers. source is the flag or variable that it came from, for
// errors; port is the port of managers without one.
func ReadManagers(list []string, source string, port int) ([]fanout.Endpoint, error) {
	list, err := expand(list)
	if err != nil {
		return nil, exit.Misuse("", "%s: %w", source, err)
	}
	if len(list) == 0 {
		return nil, exit.Misuse("name at least one server, such as 10.0.0.11 or host:7801", "%s contains no managers", source)
	}
	session, err := fanout.ParseEndpoints(list, port)
	if err != nil {
		return nil, exit.Misuse("", "%s: %w", source, err)
	}
	return session, nil
}

// expand replaces each element @FILE by the managers in the file, one a line. It skips empty lines and the text after
// a #.
func expand(list []string) ([]string, error) {
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
			return nil, fmt.Errorf("can't read the list of managers: %w", err)
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
