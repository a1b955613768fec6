// Command managers runs fake managers until its standard input ends.
package main

import (
	"fmt"
	"os"

	"dkvrun/runtime/fleet"
)

func main() {
	if err := fleet.Main(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "managers:", err)
		os.Exit(1)
	}
}
