package access

import (
	"fmt"
	"strings"
	"testing"

	"dkvrun/runtime/identity"
)

func TestToken_RoundTrip(t *testing.T) {
	root := identity.KeyHash(hashOf(newKey()))
	join := must(NewJoinToken(root))
	again := must(ParseJoinToken(join.Text()))
	if again != join || again.Root != root || again.Hash() != join.Hash() {
		t.Error("the token is another one when it is read back")
	}
	if n := len(join.Text()); n != 101 || !strings.HasPrefix(join.Text(), "dkv1-") {
		t.Errorf("the token has %d characters", n)
	}
	bearer := must(NewBearerToken())
	if again := must(ParseBearerToken(bearer.Text())); again != bearer || again.Hash() != bearer.Hash() {
		t.Error("the token is another one when it is read back")
	}
	if must(NewJoinToken(root)).Hash() == join.Hash() || must(NewBearerToken()) == bearer {
		t.Error("two tokens are the same")
	}
	for _, shown := range []string{fmt.Sprint(join, bearer),
		fmt.Sprintf("%v %+v %s %#v %q", join, join, join, join, join), fmt.Sprintf("%v %+v %#v", bearer, &bearer, bearer)} {
		for _, secret := range []string{join.Text()[5:20], bearer.Text()[6:20], fmt.Sprintf("%d", join.secret[0:3])[1:],
			fmt.Sprintf("%x", bearer.secret[:6])} {
			if strings.Contains(shown, secret) {
				t.Errorf("%q shows the secret", shown)
			}
		}
	}
}

func TestToken_Typos(t *testing.T) {
	join := must(NewJoinToken(identity.KeyHash{1}))
	text := join.Text()
	bearer := must(NewBearerToken()).Text()
	for i := range text {
		for _, c := range "az27A01- \x00é" {
			typo := text[:i] + string(c) + text[i+1:]
			if typo == text {
				continue
			}
			_, err := ParseJoinToken(typo)
			if err == nil {
				t.Fatalf("a typo at %d is taken", i)
			}
			if i > 10 && strings.Contains(err.Error(), text[5:12]) {
				t.Fatalf("the error shows the token: %v", err)
			}
		}
	}
	swapped := []byte(text)
	for i := 5; i < len(text)-1; i++ {
		if swapped[i] != swapped[i+1] {
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			if _, err := ParseJoinToken(string(swapped)); err == nil || !strings.Contains(err.Error(), "typo") {
				t.Errorf("two letters in the wrong order: %v", err)
			}
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		}
	}
	for want, text := range map[string]string{
		"begins with dkv1-":              bearer,
		"has 100 characters":             text[:100],
		"has 102 characters":             text + "a",
		"has 5 characters":               "dkv1-",
		"a typo: its character 6 is no":  "dkv1-" + "A" + text[6:],
		"a typo: its checksum":           text[:5] + rotate(text[5:]),
		"that is needed here, which beg": " " + text,
	} {
		if _, err := ParseJoinToken(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := ParseBearerToken(text); err == nil {
		t.Error("a join token is taken as a bearer token")
	}
	// The last letter of a bearer token has bits that mean nothing: only one of the texts is valid.
	last := strings.IndexByte("abcdefghijklmnopqrstuvwxyz234567", bearer[len(bearer)-1])
	other := bearer[:len(bearer)-1] + string("abcdefghijklmnopqrstuvwxyz234567"[last^1])
	if _, err := ParseBearerToken(other); err == nil {
		t.Error("two texts are one token")
	}
}

// rotate returns the text with its first letter at the end.
func rotate(text string) string { return text[1:] + text[:1] }

func FuzzToken_Parse(f *testing.F) {
	f.Add(must(NewJoinToken(identity.KeyHash{1})).Text())
	f.Add(must(NewBearerToken()).Text())
	f.Add("dkv1-")
	f.Fuzz(func(t *testing.T, text string) {
		if j, err := ParseJoinToken(text); err == nil && j.Text() != text {
			t.Errorf("%q is the token %q", text, j.Text())
		}
		if b, err := ParseBearerToken(text); err == nil && b.Text() != text {
			t.Errorf("%q is the token %q", text, b.Text())
		}
	})
}
