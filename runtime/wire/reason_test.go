package wire

import (
	"strings"
	"testing"
)

// A reason comes back as it was given, in printable ASCII without spaces; what no line of a log should have is refused.
func TestReason_Codec(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"JIRA-12", "50% more: größere Läufe, \"x\"; 日本", strings.Repeat("x", MaxReason)} {
		header, err := EncodeReason(good)
		if err != nil || strings.ContainsFunc(header, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q: %q, %v", good, header, err)
		}
		if back, err := DecodeReason(header); err != nil || back != good {
			t.Errorf("%q: comes back as %q, %v", good, back, err)
		}
	}
	for bad, why := range map[string]string{
		"": "empty", "  ": "empty", "a\nb": "printed", "\x1b[2J": "printed", "a\xffb": "printed", "\u202e": "printed",
		strings.Repeat("x", MaxReason+1): "at most 200",
	} {
		if _, err := EncodeReason(bad); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", bad, err, why)
		}
	}
	for _, bad := range []string{"%", "%zz", "%0a", "%ff", "a%00", "", strings.Repeat("%41", MaxReason+1)} {
		if got, err := DecodeReason(bad); err == nil {
			t.Errorf("%q is decoded as %q", bad, got)
		}
	}
}

func FuzzReason_Header(f *testing.F) {
	for _, seed := range []string{"", "JIRA-12", "a%20b", "%e2%80%ae", "%1b%5b2J", "%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		reason, err := DecodeReason(header)
		if err != nil {
			return
		}
		again, err := EncodeReason(reason)
		if err != nil {
			t.Fatalf("%q is decoded as %q: %v", header, reason, err)
		}
		if back, err := DecodeReason(again); err != nil || back != reason {
			t.Fatalf("%q: %q, %v", reason, back, err)
		}
	})
}
