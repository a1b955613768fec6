package low

import "fmt"

func read(c counter) string { return fmt.Sprint(c.n, fmt.Stringer(Number(1))) }
