// Package stdlib has the Lua modules that every runbook can require: functions for lists and for text, and
// ensure_store. They are plain Lua; comments in each describe its functions.
package stdlib

import "embed"

// FS has a file NAME.lua for each module.
//
//go:embed *.lua
var FS embed.FS
