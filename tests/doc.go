// Package tests holds what crosses rooms: transcripts of the command line, whole lives of clusters on
// loopback addresses, and the rules of the house. What belongs to one room is tested beside its code.
package tests
