// Package crash tests, with real processes, that a change of topology reaches every manager or none
// whatever crashes, hangs, or gets lost on the way. There is nothing in it but tests.
package crash
