// Package stdlib holds the Lua modules that every runbook can require: what scripts over lists of
// rows and over text need again and again. They are plain Lua; the comments in each say what it offers.
package stdlib

import "embed"

// FS has a file NAME.lua for each module.
//
//go:embed *.lua
var FS embed.FS
