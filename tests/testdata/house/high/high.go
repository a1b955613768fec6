// Package high imports low.
package high

import "house/low"

var _ low.Number = low.Number(low.Used())

var _ = low.Parts()
