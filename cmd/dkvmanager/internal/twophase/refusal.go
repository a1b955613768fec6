package twophase

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// statuses is the HTTP status of the codes that are not 409.
var statuses = map[string]int{
	wire.CodeBadRequest:        http.StatusBadRequest,
	wire.CodeBadName:           http.StatusBadRequest,
	wire.CodeBadTopology:       http.StatusBadRequest,
	wire.CodeStoreNotFound:     http.StatusNotFound,
	wire.CodeInstanceNotFound:  http.StatusNotFound,
	wire.CodeOperationNotFound: http.StatusNotFound,
	wire.CodeOperationDiffers:  http.StatusUnprocessableEntity,
	wire.CodeOperationAborted:  http.StatusGone,
	wire.CodeSuspect:           http.StatusServiceUnavailable,
	wire.CodeWrongManager:      http.StatusMisdirectedRequest,
}

func refuse(code, format string, args ...any) *wire.Result {
	status, listed := statuses[code]
	if !listed {
		status = http.StatusConflict
	}
	return &wire.Result{StatusCode: status, Code: code, Message: fmt.Errorf(format, args...).Error()}
}

// Busy refuses a change of a store while another one is pending: it says who holds it and since when.
func Busy(p *catalog.PreparedRecord) *wire.Result {
	owner := p.Owner
	if owner == "" {
		owner = "a runner"
	}
	r := refuse(wire.CodeStoreBusy, "%s is being changed by %s since %s (%s, operation %s)",
		p.Store, owner, p.Since.UTC().Format(time.RFC3339), p.Action, p.ID)
	r.Hint = fmt.Sprintf("try again when it is done; repair_store(%q) settles what was left behind", p.Store)
	return r
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

// WrongManager refuses a request that is for another manager than the one that got it: one with another
// identity may have been under its address.
func WrongManager(identity string) *wire.Result {
	return refuse(wire.CodeWrongManager, "this manager is %s, the request is for another one: connect again", identity)
}

// ReplacementUnfinished refuses a change of a store while a repair of it has begun and not ended.
func ReplacementUnfinished(store, lost string) *wire.Result {
	r := refuse(wire.CodeReplacementUnfinished, "a repair of %s without manager %s has begun and not ended", store, lost)
	r.Hint = fmt.Sprintf("call repair_store again with lost = %q", lost)
	return r
}
