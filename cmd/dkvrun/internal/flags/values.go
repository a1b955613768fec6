package flags

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Seconds is the value of a flag for a duration: a number of seconds, or one with a unit (90s, 5m).
type Seconds time.Duration

func (s *Seconds) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(*s).String()
}

func (s *Seconds) Type() string { return "SEC" }

func (s *Seconds) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n, bare := strconv.ParseFloat(text, 64); bare == nil {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d <= 0 {
		return fmt.Errorf("want a positive number of seconds, or one with a unit such as 5m")
	}
	*s = Seconds(d)
	return nil
}

// Choice is the value of a flag that accepts one of a few words.
type Choice struct {
	Value *string
	Words []string
}

func (c Choice) String() string { return *c.Value }
func (c Choice) Type() string   { return strings.Join(c.Words, "|") }
func (c Choice) Set(text string) error {
	for _, word := range c.Words {
		if text == word {
			*c.Value = text
			return nil
		}
	}
	return fmt.Errorf("want %s", strings.Join(c.Words, ", "))
}
