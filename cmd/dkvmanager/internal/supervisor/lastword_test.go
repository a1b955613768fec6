package supervisor

import "testing"

func TestTheLastWordOfALog(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"one\ntwo\n":          "two",
		"panic: old\n\nlater": "later",
		"warn: disk\npanic: write x: no space left on device\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:21 +0xff\n":                                      "panic: write x: no space left on device",
		"t\tPANIC\tfailed to create WAL\t{\"error\": \"no space left on device\"}\npanic: failed to create WAL\n\ngoroutine 1 [running]:\n\t/src/main.go:21 +0xff\n": "failed to create WAL: no space left on device",
		"t\tERROR\tlistening\t{\"error\": \"address already in use\", \"n\": 1}\n":                                                                                   "listening: address already in use",
		"t\tWARN\tslow disk\n": "slow disk",
		"t\tINFO\tready\n":     "", // killed: it had no time to say why
		"goroutine 1 [running]:\n\t/src/main.go:21 +0xff\n": "/src/main.go:21 +0xff",
	} {
		if got := lastWord(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
