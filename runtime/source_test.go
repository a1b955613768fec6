package runtime

import "testing"

// What is wrong with a goto or a label is told where that stands.
func TestLinesOfLabels(t *testing.T) {
	h := New(Options{})
	defer h.Close()
	for source, want := range map[string]string{
		"goto nowhere": "a.lua:1: no visible label 'nowhere' for goto",
		"local function f()\n\ngoto nowhere\nend\nf()": "a.lua:3: no visible label 'nowhere' for goto",
		"\n::a::\nprint()\n::a::\nprint()":             "a.lua:4: label 'a' already defined on line 2",
		"do\ngoto a end\nlocal y = 1\n::a::\nprint(y)": "a.lua:2: goto a jumps into the scope of local 'y'",
	} {
		if err := h.Compiles("a.lua", []byte(source)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", source, err, want)
		}
	}
}
