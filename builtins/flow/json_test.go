package flow

import (
	"context"
	"strings"
	"testing"
)

func TestJSONDecode_LongTextIsInterrupted(t *testing.T) {
	text := []byte("[" + strings.Repeat("1,", 1<<20) + "1]")
	ctx, cancel := context.WithCancel(context.Background())
	v, err := decodeJSON(ctx, text)
	if list, _ := v.([]any); err != nil || len(list) != 1<<20+1 {
		t.Fatalf("%d items, %v", len(list), err)
	}
	cancel()
	if _, err := decodeJSON(ctx, text); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}
