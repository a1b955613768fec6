package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"dkvrun/runtime/wire"
)

// success returns the result of an action that was carried out.
func success(format string, args ...any) *wire.Result {
	return &wire.Result{Success: true, StatusCode: http.StatusOK, Code: wire.CodeOK, Message: fmt.Sprintf(format, args...)}
}

// unchanged returns the result of an action that had nothing to do.
func unchanged(format string, args ...any) *wire.Result {
	return &wire.Result{Success: true, StatusCode: http.StatusOK, Code: wire.CodeUnchanged,
		Message: fmt.Sprintf(format, args...)}
}

// quoted returns a client's text for a message: escaped, and shortened if it is long.
func quoted(text string) string {
	if len(text) > 2*wire.MaxName {
		return strconv.Quote(text[:2*wire.MaxName]) + "…"
	}
	return strconv.Quote(text)
}

// text is a plain-text response.
type text []byte

// document is a response that is JSON already.
type document []byte

// respond writes the result of a handler. It logs errors that the client did not cause.
func respond(log *slog.Logger, w http.ResponseWriter, action string, value any, err error) {
	status := http.StatusOK
	if err != nil {
		var result *wire.Result
		if !errors.As(err, &result) {
			log.Error("request failed", "action", action, "error", err)
			result = wire.Refuse(wire.CodeInternal, "%w", err)
		}
		value = result
	}
	if result, ok := value.(*wire.Result); ok {
		named := *result
		named.Action = action
		value, status = named, named.StatusCode
	}
	h := w.Header()
	var body []byte
	switch v := value.(type) {
	case text:
		h.Set("Content-Type", "text/plain; charset=utf-8")
		body = v
	case document:
		body = v
	default:
		if body, err = json.Marshal(v); err != nil {
			log.Error("answer can't be encoded", "action", action, "error", err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		body = append(body, '\n')
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
