// Package tests has the tests that involve several packages: transcripts of the command line, clusters on loopback
// addresses, and the rules for the source tree. Tests of one package are beside its code.
package tests
