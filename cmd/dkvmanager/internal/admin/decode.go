package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"dkvrun/runtime/wire"
)

// decode decodes a body into target, a pointer to a struct of strings, integers, booleans, lists and structs. It is
// stricter than encoding/json: it refuses an unknown field, a key given twice (ignoring case), null, a wrong type and
// anything after the value, and names the field's path. A body can't nest deeper than target's type.
func decode(body []byte, target any) error {
	if !utf8.Valid(body) {
		return wire.Refuse(wire.CodeBadRequest, "the body is not UTF-8")
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, new(json.RawMessage)); errors.As(err, &syntax) {
		line := 1 + bytes.Count(body[:syntax.Offset], []byte("\n"))
		return wire.Refuse(wire.CodeBadRequest, "the body is not JSON: line %d: %s", line, syntax)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := decodeValue(d, "", reflect.ValueOf(target).Elem(), ""); err != nil {
		return wire.Refuse(wire.CodeBadRequest, "%w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return wire.Refuse(wire.CodeBadRequest, "the body has more after its end")
	}
	return nil
}

// decodeValue decodes a value into v, a field with the given tag. The tags max and each bound texts and lists (see
// wire.MaxText); a field with neither is refused.
func decodeValue(d *json.Decoder, path string, v reflect.Value, tag reflect.StructTag) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case reflect.Struct:
		if token != json.Delim('{') {
			return mismatch(path, token, "an object")
		}
		return decodeObject(d, path, v)
	case reflect.Slice:
		if token != json.Delim('[') {
			return mismatch(path, token, "a list")
		}
		return decodeList(d, path, v, tag)
	case reflect.String:
		text, ok := token.(string)
		if !ok {
			return mismatch(path, token, "a string")
		}
		if most := bound(tag, "max"); len(text) > most {
			return fmt.Errorf("%s: has %d bytes: at most %d are allowed", path, len(text), most)
		}
		v.SetString(text)
	case reflect.Bool:
		b, ok := token.(bool)
		if !ok {
			return mismatch(path, token, "true or false")
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.ParseInt(number(token), 10, 64)
		if err != nil {
			return mismatch(path, token, "a whole number")
		}
		v.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(number(token), 10, 64)
		if err != nil {
			return mismatch(path, token, "a whole number from 0")
		}
		v.SetUint(n)
	default:
		return fmt.Errorf("%s: %s is not decoded", path, v.Type())
	}
	return nil
}

func decodeObject(d *json.Decoder, path string, v reflect.Value) error {
	fields := map[string]int{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = i
	}
	seen := map[string]string{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		key := token.(string)
		at := strings.TrimPrefix(path+"."+key, ".")
		if before, twice := seen[strings.ToLower(key)]; twice {
			return fmt.Errorf("%s: is given twice, before as %s", printable(at), quoted(before))
		}
		seen[strings.ToLower(key)] = key
		i, known := fields[key]
		if !known {
			return fmt.Errorf("%s: %s", printable(at), wire.UnknownField)
		}
		if err := decodeValue(d, at, v.Field(i), v.Type().Field(i).Tag); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// bound returns the number in a tag, or 0 if there is none.
func bound(tag reflect.StructTag, name string) int {
	n, _ := strconv.Atoi(tag.Get(name))
	return n
}

// decodeList decodes a list. An element takes up to a hundred times as much memory as it has bytes in the body.
func decodeList(d *json.Decoder, path string, v reflect.Value, tag reflect.StructTag) error {
	most := bound(tag, "max")
	element := reflect.StructTag(fmt.Sprintf("max:%q", tag.Get("each")))
	for i := 0; d.More(); i++ {
		if i == most {
			return fmt.Errorf("%s: has more than %d elements", path, most)
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if err := decodeValue(d, fmt.Sprintf("%s[%d]", path, i), item, element); err != nil {
			return err
		}
		v.Set(reflect.Append(v, item))
	}
	_, err := d.Token()
	return err
}

// number returns a token's digits, or "" if it is no number.
func number(token json.Token) string {
	n, _ := token.(json.Number)
	return n.String()
}

func mismatch(path string, token json.Token, want string) error {
	if path == "" {
		path = "the body"
	}
	var got string
	switch t := token.(type) {
	case nil:
		got = "null"
	case json.Delim:
		got = map[json.Delim]string{'{': "an object", '[': "a list"}[t]
	case string:
		got = "the string " + quoted(t)
	case json.Number:
		got = printable(t.String())
	default:
		got = fmt.Sprint(t)
	}
	return fmt.Errorf("%s: got %s, want %s", path, got, want)
}

// printable returns a number or path for a message. The last key of a path can be anything that a client sent.
func printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r == '"' || !strconv.IsPrint(r) }) < 0 &&
		len(text) <= 2*wire.MaxName {
		return text
	}
	return quoted(text)
}
