package twophase

import (
	"cmp"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Busy refuses an operation while another one of the store is prepared (I6). It names the owner and the time, so that a
// person can tell a running driver from one that has died.
func Busy(p *catalog.PreparedRecord) *wire.Result {
	return wire.RefuseStoreBusy.With(p.Store, cmp.Or(p.Owner, "a runner"), p.Since.UTC().Format(time.RFC3339), p.Action, p.ID)
}

// mergeRefusals returns one refusal with the code of the first, the first hint, the messages of all, and the highest
// epoch. The driver acts on the code alone, so check orders the problems by the order in which they have to be solved.
// Users see all messages at once.
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
