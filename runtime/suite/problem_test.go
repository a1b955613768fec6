package suite

import (
	"os"
	"path/filepath"
	"testing"
)

func TestProblem_SourceShowsTheStatement(t *testing.T) {
	const text = `it("a", function()
  local x = 1
  local y = 2
  if x then
    assert.same(
      {
        a = 1,
        b = 2,
      },
      f(function() return 1 end)
    )
  end
  local z = 3
end)
`
	path := filepath.Join(t.TempDir(), "a_test.lua")
	for line, want := range map[int]string{
		2:  "  1  it(\"a\", function()\n> 2    local x = 1\n  3    local y = 2\n  4    if x then\n",
		4:  "  2    local x = 1\n  3    local y = 2\n> 4    if x then\n  5      assert.same(\n  6        {\n",
		8:  "   5      assert.same(\n   6        {\n   7          a = 1,\n>  8          b = 2,\n   9        },\n  10        f(function() return 1 end)\n  11      )\n",
		14: "  12    end\n  13    local z = 3\n> 14  end)\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := source(path, line); got != want {
			t.Errorf("line %d:\n%swant:\n%s", line, got, want)
		}
	}
	if err := os.WriteFile(path, []byte("a\nb = = 1\nc\nd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := source(path, 2), "  1  a\n> 2  b = = 1\n  3  c\n  4  d\n"; got != want {
		t.Errorf("of what is not Lua: got %q, want %q", got, want)
	}
}
