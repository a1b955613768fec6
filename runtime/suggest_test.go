package runtime

import "testing"

func TestSuggest(t *testing.T) {
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
