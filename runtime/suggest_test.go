package runtime

import "testing"

func TestHost_Suggest(t *testing.T) {
	names := []string{"name", "instance_count", "instance_prefix", "port", "id"}
	for word, want := range map[string]string{
		"instance_cout": "instance_count", "Name": "name", "nmae": "name", "prt": "port", "instance": "", "xyz": "",
		"": "", "i": "", "di": "", "instance_prefxi": "instance_prefix", "prot": "port", "nam": "name",
	} {
		if got := Suggest(word, names); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestHost_HintNamesTheOnlyContinuation(t *testing.T) {
	for word, want := range map[string]string{
		"delay": ": did you mean delay_sec?", "Delay": ": did you mean delay_sec?", "dely_sec": ": did you mean delay_sec?",
		"instance": ": there is delay_sec, instance_count and instance_prefix", "": ": there is delay_sec, instance_count and instance_prefix",
	} {
		if got := hint(word, []string{"delay_sec", "instance_count", "instance_prefix"}); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}
