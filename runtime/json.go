package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"dkvrun/runtime/luanum"
)

// EncodeJSON writes a value of Call.Value's types as JSON, without a final line feed. Lists and objects with items
// become arrays, [] if empty. Records have all declared fields in order, null for nil. Other tables have sorted
// names. A json.RawMessage is written as it is. EncodeJSON refuses functions, text that is not UTF-8, numbers that JSON
// doesn't have and nesting deeper than 200; the error says where in the value. A builtin calls Call.JSON instead, since
// tasks may be running.
func EncodeJSON(w io.Writer, v any) error {
	e := jsonEncoder{limit: defaultLimits.parts}
	if err := e.value(v, 0); err != nil {
		return err
	}
	_, err := w.Write(e.out.Bytes())
	return err
}

type jsonEncoder struct {
	out     bytes.Buffer
	limit   int         // of the number of values in a table
	stopped func() bool // may be nil
	count   int         // values written
}

// maxJSON limits the text of Call.JSON, which becomes a string of the script.
const maxJSON = 64 << 20

var errLongJSON = fmt.Errorf("its JSON is longer than %d MiB", maxJSON>>20)

// unfitError is the error of a part of a value that has no form in JSON. The path leads to the part, as in Lua.
type unfitError struct {
	path string
	err  error
}

func (e *unfitError) Error() string { return e.path + ": " + e.err.Error() }

func (e *unfitError) Unwrap() error { return e.err }

// within adds a step to the path of an error.
func within(step string, err error) error {
	if e, ok := err.(*unfitError); ok {
		return &unfitError{step + e.path, e.err}
	}
	if err == errStopped || err == errLongJSON {
		return err // not about one part of the value
	}
	if _, deep := err.(tooDeep); deep {
		return err // a path would be as long as the value is deep
	}
	return &unfitError{step, err}
}

// tooDeep is the error of a value that is nested too deep.
type tooDeep struct{}

func (tooDeep) Error() string {
	return fmt.Sprintf("the value is nested deeper than %d, or contains itself", maxDepth)
}

func (e *jsonEncoder) value(v any, depth int) error {
	if depth > maxDepth {
		return tooDeep{}
	}
	if e.count++; e.stopped != nil && e.count%checkEvery == 0 && e.stopped() {
		return errStopped
	}
	if e.stopped != nil && e.out.Len() > maxJSON {
		return errLongJSON
	}
	switch v := v.(type) {
	case nil:
		e.out.WriteString("null")
	case bool:
		e.out.WriteString(strconv.FormatBool(v))
	case string:
		return e.text(v)
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
	case Dict:
		return e.object(sortedKeys(v.Values), depth, func(name string) any { return v.Values[name] })
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
	case json.RawMessage:
		e.out.Write(v)
	case error:
		return e.text(v.Error())
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
			return within(fmt.Sprintf("[%d]", i+1), err)
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
		if err := e.text(name); err != nil {
			return fmt.Errorf("a key: %w", err)
		}
		e.out.WriteByte(':')
		if err := e.value(get(name), depth+1); err != nil {
			return within(fieldStep(name), err)
		}
	}
	e.out.WriteByte('}')
	return nil
}

// fieldStep returns the step of a path to a field.
func fieldStep(name string) string {
	if key := showKey(name); key[0] == '[' {
		return key
	}
	return "." + name
}

// text writes a string. Bytes that are not UTF-8 are refused: a replacement would be another text.
func (e *jsonEncoder) text(s string) error {
	if plain(s) {
		e.out.WriteByte('"')
		e.out.WriteString(s)
		e.out.WriteByte('"')
		return nil
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not UTF-8, and JSON can't hold other bytes", strconv.Quote(s[:min(len(s), maxQuoted)]))
	}
	encoder := json.NewEncoder(&e.out)
	encoder.SetEscapeHTML(false)
	for first := true; ; first = false {
		n := len(s)
		if n > longText {
			for n = longText; !utf8.RuneStart(s[n]); {
				n--
			}
		}
		at := e.out.Len() - 1
		_ = encoder.Encode(s[:n])       // encoding a string into a buffer can't fail
		e.out.Truncate(e.out.Len() - 1) // without the line feed
		if !first {                     // without the quotes between two pieces
			all := e.out.Bytes()
			copy(all[at:], all[at+2:])
			e.out.Truncate(len(all) - 2)
		}
		switch s = s[n:]; {
		case s == "":
			return nil
		case e.stopped != nil && e.stopped():
			return errStopped
		case e.stopped != nil && e.out.Len() > maxJSON:
			return errLongJSON
		}
	}
}

// longText is the length of the pieces in which a long text is written.
const longText = 1 << 20

// maxQuoted is the number of bytes that an error shows of a text.
const maxQuoted = 40

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
// numbers float64. It refuses text that is not UTF-8, surrogates without their other half, and objects that have a name
// twice: none of these can be read without changing it.
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
	if err := checkText(data); err != nil {
		return nil, err
	}
	return plainNumbers(v)
}

// checkText returns an error if valid JSON has parts that encoding/json would change without an error: bytes that are
// not UTF-8, lone surrogates and repeated names.
func checkText(data []byte) error {
	var objects []map[string]bool // the names so far of each open object, nil for an open array
	name := false                 // whether the next string is a name
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			objects, name = append(objects, map[string]bool{}), true
		case '[':
			objects, name = append(objects, nil), false
		case '}', ']':
			objects, name = objects[:len(objects)-1], false
		case ',':
			name = objects[len(objects)-1] != nil
		case '"':
			end := stringEnd(data, i)
			text := data[i:end]
			if at := badText(text); at >= 0 {
				return fmt.Errorf("not JSON: byte %d: the text is not UTF-8, or has half of a surrogate pair", i+at+1)
			}
			if name {
				var key string
				_ = json.Unmarshal(text, &key) // it was decoded before
				if objects[len(objects)-1][key] {
					return fmt.Errorf("byte %d: the object has the name %s twice", i+1, text[:min(len(text), maxQuoted)])
				}
				objects[len(objects)-1][key] = true
			}
			name, i = false, end-1
		}
	}
	return nil
}

// stringEnd returns the index after the string that begins at data[i].
func stringEnd(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// badText returns the index of the first bytes of a string that are not UTF-8, or of a surrogate escape without its
// other half; -1 if there are none.
func badText(text []byte) int {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\\' && text[i+1] == 'u':
			first := escaped(text, i)
			switch {
			case !utf16.IsSurrogate(first):
				i += 6
			case utf16.DecodeRune(first, escaped(text, i+6)) == utf8.RuneError:
				return i
			default:
				i += 12
			}
		case c == '\\':
			i += 2
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				return i
			}
			i += size
		}
	}
	return -1
}

// escaped returns the code unit of the escape \uXXXX at text[i], or 0 if there is none.
func escaped(text []byte, i int) rune {
	if i+6 > len(text) || text[i] != '\\' || text[i+1] != 'u' {
		return 0
	}
	unit, _ := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
	return rune(unit)
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
