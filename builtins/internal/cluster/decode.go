package cluster

import (
	"reflect"

	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

// decode reads the body of an answer. It makes the strings safe to show, and refuses values beyond the limits of the
// protocol.
func decode(body []byte, to any) error {
	if err := wire.DecodeAnswer(body, to); err != nil {
		return err
	}
	if !plain(body) {
		Escape(reflect.ValueOf(to))
	}
	return nil
}

// plain reports whether all strings of the body can be shown unchanged.
func plain(body []byte) bool {
	for _, c := range body {
		if c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}

// Escape makes every string of a value safe to show.
func Escape(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(printable.Line(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			Escape(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				Escape(f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			Escape(v.Index(i))
		}
	}
}
