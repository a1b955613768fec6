// Package crash tests, with real processes, that a change of topology reaches every manager or none, at whatever point
// something crashes, hangs or is lost. It has only tests.
package crash
