package process

import (
	"fmt"
	"os"
	"os/user"
)

// Owner returns the user, host and process of this program. Managers record it, and name it to users whose operation
// finds the store locked.
func Owner() string {
	name, host := "somebody", "localhost"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return fmt.Sprintf("%.80s@%.80s, process %d", name, host, os.Getpid())
}
