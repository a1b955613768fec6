// Command fakemanager runs fake managers until its standard input ends.
package main

import (
	"fmt"
	"os"

	"dkvrun/runtime/fakemanager"
)

func main() {
	if err := fakemanager.Main(os.Args[1:], os.Stdin, os.Stdout, secure); err != nil {
		fmt.Fprintln(os.Stderr, "fakemanager:", err)
		os.Exit(1)
	}
}
