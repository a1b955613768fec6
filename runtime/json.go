package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"dkvrun/runtime/luanum"
)

// EncodeJSON writes a value of Call.Value's types as JSON, without a final line feed. Lists and objects with items
// become arrays, [] if empty. Records have all declared fields in order, null for nil. Other tables have sorted
// names. EncodeJSON refuses functions, numbers that JSON doesn't have and nesting deeper than 200. A builtin calls
// Call.JSON instead, since tasks may be running.
func EncodeJSON(w io.Writer, v any) error {
	e := jsonEncoder{limit: defaultLimits.parts}
	if err := e.value(v, 0); err != nil {
		return err
	}
	_, err := w.Write(e.out.Bytes())
	return err
}

type jsonEncoder struct {
	out   bytes.Buffer
	limit int // of the number of values in a table
}

func (e *jsonEncoder) value(v any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("the value is nested deeper than %d, or contains itself", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		e.out.WriteString("null")
	case bool:
		e.out.WriteString(strconv.FormatBool(v))
	case string:
		e.text(v)
	case int:
		e.out.WriteString(strconv.Itoa(v))
	case int32:
		e.out.WriteString(strconv.FormatInt(int64(v), 10))
	case int64:
		e.out.WriteString(strconv.FormatInt(v, 10))
	case uint64:
		e.out.WriteString(strconv.FormatUint(v, 10))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s has no form in JSON", luanum.Format(v))
		}
		e.out.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
	case []string:
		return e.array(len(v), depth, func(i int) any { return v[i] })
	case []any:
		return e.array(len(v), depth, func(i int) any { return v[i] })
	case List:
		return e.array(len(v.Items), depth, func(i int) any { return v.Items[i] })
	case map[string]any:
		return e.object(sortedKeys(v), depth, func(name string) any { return v[name] })
	case Record:
		return e.object(v.names(), depth, v.Value)
	case Object:
		return e.goObject(v, depth)
	case Value:
		read, err := (&reader{limit: e.limit}).read(v.lua())
		if err != nil {
			return err
		}
		return e.value(read, depth)
	case error:
		e.text(v.Error())
	case mixedTable:
		return fmt.Errorf("a table with list items and other keys has no form in JSON")
	case opaque:
		if v == truncated {
			return fmt.Errorf("the value is nested deeper than %d, or holds more than %d values", maxDepth, e.limit)
		}
		return fmt.Errorf("%s has no form in JSON", string(v))
	case *Func:
		return fmt.Errorf("a function has no form in JSON")
	default:
		return fmt.Errorf("a %T has no form in JSON", v)
	}
	return nil
}

func (e *jsonEncoder) goObject(o Object, depth int) error {
	ot := o.ObjectType()
	if ot.Len != nil {
		return e.array(ot.Len(o), depth, func(i int) any { return ot.At(o, i+1) })
	}
	names := make([]string, len(ot.Fields))
	fields := make(map[string]any, len(ot.Fields))
	for i, f := range ot.Fields {
		names[i], fields[f.Name] = f.Name, f.Get(o)
	}
	return e.object(names, depth, func(name string) any { return fields[name] })
}

func (e *jsonEncoder) array(length, depth int, at func(int) any) error {
	e.out.WriteByte('[')
	for i := range length {
		if i > 0 {
			e.out.WriteByte(',')
		}
		if err := e.value(at(i), depth+1); err != nil {
			return err
		}
	}
	e.out.WriteByte(']')
	return nil
}

func (e *jsonEncoder) object(names []string, depth int, get func(string) any) error {
	e.out.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			e.out.WriteByte(',')
		}
		e.text(name)
		e.out.WriteByte(':')
		if err := e.value(get(name), depth+1); err != nil {
			return err
		}
	}
	e.out.WriteByte('}')
	return nil
}

func (e *jsonEncoder) text(s string) {
	if plain(s) {
		e.out.WriteByte('"')
		e.out.WriteString(s)
		e.out.WriteByte('"')
		return
	}
	encoder := json.NewEncoder(&e.out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // encoding a string into a buffer can't fail
	e.out.Truncate(e.out.Len() - 1)
}

// plain reports whether a string needs no escapes in JSON.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// DecodeJSON reads one JSON value. Objects become map[string]any, arrays []any, exact whole numbers int and other
// numbers float64.
func DecodeJSON(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("not JSON: there is more after the first value")
	}
	return plainNumbers(v)
}

func plainNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(string(v)); err == nil {
			return i, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("not JSON: the number %s is out of range", v)
		}
		return luanum.ToGo(f), nil
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = plainNumbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
