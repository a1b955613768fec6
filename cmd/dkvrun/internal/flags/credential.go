package flags

import (
	"slices"

	"github.com/spf13/pflag"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/runtime/credential"
)

// Credential holds the flags that say with which credential to connect to managers.
type Credential struct{ file, token string }

// Add adds the flags to a set.
func (c *Credential) Add(f *pflag.FlagSet) {
	f.StringVar(&c.file, "credential", "", "connect with the credential in `FILE`; by default with the one for the managers' cluster in ~/.config/dkvrun")
	f.StringVar(&c.token, "token-file", "", "connect with the bearer token in `FILE`")
}

// Unless returns a list of flags that the environment may set, without those for the credential if the command line has
// one of them.
func (c *Credential) Unless(list []string) []string {
	if !c.Given() {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(flag string) bool { return flag == "credential" || flag == "token-file" })
}

// Check refuses two credentials.
func (c *Credential) Check() error {
	if c.file != "" && c.token != "" {
		return exit.Misuse("use only one of them", "--credential and --token-file both name a credential")
	}
	return nil
}

// Given reports whether a flag names a credential.
func (c *Credential) Given() bool { return c.file != "" || c.token != "" }

// Environment returns the variables with which another run uses the same credential, as NAME=VALUE.
func (c *Credential) Environment() []string {
	if !c.Given() {
		return nil
	}
	return []string{"DKVRUN_CREDENTIAL=" + c.file, "DKVRUN_TOKEN_FILE=" + c.token}
}

// Source returns where the credential is. It opens no file.
func (c *Credential) Source(getenv func(string) string) *credential.Source {
	return &credential.Source{File: c.file, TokenFile: c.token, Folder: credential.Folder(getenv)}
}
