package twophase

import (
	"cmp"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Busy refuses an operation while another one of the store is prepared. It names the owner, and since when.
func Busy(p *catalog.PreparedRecord) *wire.Result {
	return wire.RefuseStoreBusy.With(p.Store, cmp.Or(p.Owner, "a runner"), p.Since.UTC().Format(time.RFC3339), p.Action, p.ID)
}

// mergeRefusals makes one refusal of several: the first one's code, and what all of them say.
func mergeRefusals(problems []*wire.Result) *wire.Result {
	if len(problems) == 1 {
		return problems[0]
	}
	all := *problems[0]
	var messages []string
	for _, p := range problems {
		messages = append(messages, p.Message)
		if all.Hint == "" {
			all.Hint = p.Hint
		}
		all.Epoch = max(all.Epoch, p.Epoch)
	}
	all.Message = strings.Join(messages, "; ")
	return &all
}
