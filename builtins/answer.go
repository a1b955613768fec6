package builtins

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"

	"dkvrun/runtime/fanout"
)

// maxElements bounds the elements of an answer, counted by its commas. One takes up to a hundred times the
// bytes in memory that it has in the answer.
const maxElements = 1 << 18

var errElements = errors.New("more elements than any answer has")

// readAnswer reads what a manager answered. What it holds of text is safe to show, and what it tells of
// stores could be.
func readAnswer(body []byte, to any) error {
	if bytes.Count(body, []byte(",")) > maxElements {
		return errElements
	}
	if err := json.Unmarshal(body, to); err != nil {
		return err
	}
	if !plain(body) {
		escape(reflect.ValueOf(to))
	}
	if answer, ok := to.(interface{ Check() error }); ok {
		return answer.Check()
	}
	return nil
}

// plain says that no string of the answer can hold what isn't shown as it is.
func plain(body []byte) bool {
	for _, c := range body {
		if c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}

// escape makes every string of a value safe to show.
func escape(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(fanout.Printable(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			escape(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				escape(f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			escape(v.Index(i))
		}
	}
}
