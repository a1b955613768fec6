// Command render writes the renderings of the builtins' declarations that are kept in docs/.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"dkvrun/builtins/docs"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: render DIR")
		os.Exit(2)
	}
	set := docs.All()
	for name, text := range map[string]string{"builtins.md": set.Markdown(), "dkvrun.lua": set.Stubs()} {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
