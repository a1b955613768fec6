package wire

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Health says how far a manager can be relied on.
type Health string

const (
	// HealthReady: the manager votes and decides about all stores.
	HealthReady Health = "ready"
	// HealthDegraded: the manager may have forgotten votes, and refuses operations about them until it has healed.
	HealthDegraded Health = "degraded"
	// HealthReadOnly: the manager refuses every change until a person has repaired its catalog and restarted it.
	HealthReadOnly Health = "read-only"
)

var healths = []Health{HealthReady, HealthDegraded, HealthReadOnly}

// HealthHeader is the header with which every response of a manager that is not HealthReady says so.
const HealthHeader = "Dkv-Health"

// ReadHealth reads the value of HealthHeader. A value that this version doesn't know is HealthDegraded.
func ReadHealth(header string) Health {
	if Health(header) == HealthReadOnly {
		return HealthReadOnly
	}
	return HealthDegraded
}

// maxConditionText is the maximum length of each text of a Condition, in bytes of UTF-8.
const maxConditionText = 1024

// Condition says why a manager, or one store of it, can't be relied on, and what to do.
type Condition struct {
	Health Health `json:"health"`
	// Why is what happened, and Next is the next command or step, each a sentence. Both are empty if the health is ready.
	Why  string `json:"why,omitempty"`
	Next string `json:"next,omitempty"`
}

// NewCondition returns a condition whose texts are cut to maxConditionText.
func NewCondition(health Health, why, next string) *Condition {
	return &Condition{health, cutText(why), cutText(next)}
}

// cutText returns the first maxConditionText bytes of a text, without half of a character.
func cutText(text string) string {
	const ellipsis = "…"
	if len(text) <= maxConditionText {
		return text
	}
	end := maxConditionText - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// check refuses a health that there is not, texts that are too long, and trouble without a reason.
func (c *Condition) check() error {
	switch {
	case c == nil:
		return nil
	case !slices.Contains(healths, c.Health):
		return fmt.Errorf("condition: %.60q is not the health of a manager", c.Health)
	case len(c.Why) > maxConditionText || len(c.Next) > maxConditionText:
		return fmt.Errorf("condition: has more than %d bytes", maxConditionText)
	case c.Health != HealthReady && c.Why == "":
		return errors.New("condition: the reason is missing")
	}
	return nil
}
