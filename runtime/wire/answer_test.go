package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Every key of an answer is a known field; no other key is.
func TestAnswer_KnownFieldsAreThoseOfTheTypes(t *testing.T) {
	var want []string
	var add func(reflect.Type)
	add = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			add(typ.Elem())
		case reflect.Struct:
			if typ.PkgPath() != reflect.TypeFor[Result]().PkgPath() {
				return // a time
			}
			for i := range typ.NumField() {
				f := typ.Field(i)
				if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
					want = append(want, name)
				}
				add(f.Type)
			}
		}
	}
	for _, answer := range []any{Result{}, OperationStatus{}, StoreState{}, Store{}, Info{}, Metrics{}, Members{}} {
		add(reflect.TypeOf(answer))
	}
	slices.Sort(want)
	want = slices.Compact(want)
	got := slices.Sorted(slices.Values(knownFields[:]))
	if !slices.Equal(got, want) {
		t.Errorf("known %q\nwant  %q", got, want)
	}
	if knownFields[fieldSuccess] != "success" || knownFields[fieldStatusCode] != "statusCode" || len(knownFields) > 128 {
		t.Error("the named fields have other indexes, or a fieldSet is too small")
	}
}

func TestAnswer_ResultsThatContradictThemselves(t *testing.T) {
	const ok = `"operation":"StartInstance:s-1","success":true,"statusCode":200,"code":"ok","message":"Started"`
	const refused = `"operation":"StartInstance:s-1","success":false,"statusCode":409,"code":"port_taken","message":"m"`
	for _, test := range []struct {
		status     int
		body, says string // says is empty if the answer is accepted
	}{
		{200, `{` + ok + `}`, ""},
		{200, `{` + ok + `,"more":{"a":[null]},"newer":1}`, ""},
		{200, `{` + strings.Replace(ok, `"ok"`, `"unchanged"`, 1) + `}`, ""},
		{409, `{` + refused + `}`, ""},
		{409, `{` + strings.Replace(refused, "port_taken", "a_newer_code2", 1) + `}`, ""},
		{409, `{` + strings.Replace(refused, "port_taken", "start_failed", 1) + `}`, ""},
		{200, `{` + strings.Replace(ok, "200", "409", 1) + `}`, "HTTP status 200, but statusCode 409"},
		{200, `{` + strings.Replace(ok, `,"statusCode":200`, "", 1) + `}`, "HTTP status 200, but statusCode 0"},
		{409, `{` + ok + `}`, "HTTP status 409, but statusCode 200"},
		{409, `{` + strings.Replace(ok, "200", "409", 1) + `}`, "success is true, but the status is 409"},
		{201, `{` + strings.Replace(ok, "200", "201", 1) + `}`, "success is true, but the status is 201"},
		{200, `{` + strings.Replace(ok, `"ok"`, `"start_failed"`, 1) + `}`, "success is true, but the code is start_failed"},
		{200, `{` + strings.Replace(refused, "409", "200", 1) + `}`, "success is false, but the status is 200"},
		{409, `{` + strings.Replace(refused, "port_taken", "ok", 1) + `}`, "success is false, but the code is ok"},
		{409, `{` + strings.Replace(refused, "port_taken", "operation_aborted", 1) + `}`, "operation_aborted never has status 409"},
		{418, `{` + strings.Replace(refused, "409", "418", 1) + `}`, "a refusal never has status 418"},
		{409, `{` + strings.Replace(refused, "port_taken", "Port_taken", 1) + `}`, `"Port_taken" is not a code`},
		{409, `{` + strings.Replace(refused, "port_taken", `\u001b[31m`, 1) + `}`, `"\x1b[31m" is not a code`},
		{409, `{` + strings.Replace(refused, "port_taken", strings.Repeat("a", 41), 1) + `}`, "is not a code"},
		{200, `{` + ok + `,"success":true}`, `"success" is given twice`},
		{200, `{"success":false,` + ok + `}`, `"success" is given twice`},
		{200, `{` + ok + `,"\u0073uccess":false}`, `"success" is given twice`},
		{200, `{` + ok + `,"Success":false}`, `"Success" in other upper and lower case`},
		{200, `{` + ok + `,"ſuccess":false}`, `"ſuccess" in other upper and lower case`},
		{200, `{` + ok + `,"more":1,"More":2}`, `"More" is given twice`},
		{200, `{` + ok + `,"more":{"Code":1}}`, `"Code" in other upper and lower case`},
		{200, `{` + ok + `}{}`, ErrNoResult.Error()},
		{200, `{` + ok + "}\xff", ErrNoResult.Error()},
		{200, `{` + strings.Replace(ok, "Started", "\xff", 1) + `}`, ErrNoResult.Error()},
		{200, `[]`, ErrNoResult.Error()},
		{200, `{}`, ErrNoResult.Error()},
		{502, `<html>`, ErrNoResult.Error()},
	} {
		_, err := ReadResult(test.status, []byte(test.body))
		switch {
		case test.says == "" && err != nil:
			t.Errorf("%d %s: %v", test.status, test.body, err)
		case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%d %s: got %v, want %s", test.status, test.body, err, test.says)
		}
	}
}

// Codes that only the runner uses for rows, and unknown codes, do not belong to a success that a manager sends.
func TestAnswer_CodesOfSuccess(t *testing.T) {
	for _, code := range []string{"timeout", "refused", "protocol", "cancelled", "skipped", "rolled_back", "undecided", "dns",
		"http", "planned", "absent", "xyz"} {
		text, err := json.Marshal(Result{Success: true, StatusCode: 200, Code: code})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := ReadResult(200, text); err == nil || !strings.Contains(err.Error(), "success is true, but the code is "+code) {
			t.Errorf("%s: got %+v, %v", code, r, err)
		}
	}
}

func TestAnswer_DecodeRefuses(t *testing.T) {
	nodes := []Node{{Name: "s-1", Host: "10.0.0.11", ClustronPort: 7811, ClientPort: 7861, Role: Data}}
	state := StoreState{Manager: "a", Store: "S", Configuration: &Configuration{Digest: Digest("S", nodes), Nodes: nodes}}
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	var got StoreState
	if err := DecodeAnswer(text, &got); err != nil || got.Configuration.Nodes[0] != nodes[0] {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, test := range []struct {
		body string
		to   any
		says string
	}{
		{strings.Replace(string(text), "7861", "7862", 1), &StoreState{}, "the digest is that of other nodes"},
		{`{"store":"S"}`, &StoreState{}, "without manager"},
		{`{"manager":"a","store":"S","pending":{"id":"o","manager":"a","state":"committed"}}`, &StoreState{}, "pending"},
		{`{"manager":"a","store":"S","decided":[{"id":"o","manager":"a","state":"pending"}]}`, &StoreState{}, "decided[0]"},
		{`{"id":"o","manager":"a","state":"Committed"}`, &OperationStatus{}, `"Committed" is not a state`},
		{`{"id":"o","state":"committed"}`, &OperationStatus{}, "without id or manager"},
		{`{"id":"o","manager":"a","state":"committed","State":"aborted"}`, &OperationStatus{}, "upper and lower case"},
		{`{"id":"o","manager":"a","state":"committed","success":false}`, &OperationStatus{}, "a result where"},
		{`{"success":false,"statusCode":404}`, &Metrics{}, "a result where"},
		{`{"metrics":[]}`, &Metrics{}, "without a window"},
		{`{"windowSec":5,"metrics":[{"category":"Requests","metric":"Put","total":-1}]}`, &Metrics{}, "metrics[0]: is negative"},
		{`{"windowSec":5,"metrics":[{"category":"Requests","metric":"Put","rate":-1}]}`, &Metrics{}, "metrics[0]: is negative"},
		{`{"windowSec":5,"metrics":[{"instance":"a"},{"instance":"b"},{"instance":"a"}]}`, &Metrics{}, "metrics[2]: is listed twice"},
		{`{"host":"h"}`, &Info{}, "without identity"},
		{`{"identity":"a"} x`, &Info{}, "nothing more"},
		{`{"identity":"` + "\xff" + `"}`, &Info{}, "not UTF-8"},
		{`{"identity":{"identity":"a"}}`, &Info{}, "cannot unmarshal"},
	} {
		if err := DecodeAnswer([]byte(test.body), test.to); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %s", test.body, err, test.says)
		}
	}
}

// The parser of results finds what encoding/json finds.
func FuzzAnswer_Result(f *testing.F) {
	for _, seed := range []string{
		`{"operation":"StartInstance:s-1","success":true,"statusCode":200,"code":"ok","message":"Started"}`,
		`{"operation":"Prepare","success":false,"statusCode":409,"code":"stale_epoch","message":"m\u0041\n","hint":"h","epoch":7,"operationId":"o","manager":"m"}`,
		`{"code":"ok","more":[{"success":false}]}`, `{"code":null}`, `{"code":"a","statusCode":1e2}`, `{"code":"a","statusCode":-1}`, `{"code":"a","success":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parseResult(text)
		if err != nil {
			return
		}
		var want Result
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("%q was taken: %v", text, err)
		}
		if got != want && got.StatusCode != math.MaxInt32 {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	})
}

// The parser of stores finds what encoding/json finds, and takes all that is strictly JSON.
func FuzzAnswer_Store(f *testing.F) {
	now := time.Now().UTC().Round(0)
	whole := described()
	whole.Creation, whole.LastOperation, whole.Epoch, whole.Coordinator = "c", "o", 3, "m"
	whole.Managers = []Manager{{Identity: "m", URL: "http://h1:7801"}}
	whole.Founders = []Founder{{Name: "a-1", Host: "h1", ClustronPort: 7811}}
	whole.Leaving = []Instance{{Node: Node{Name: "a-9", Host: "h1", Role: Data, Manager: "h1:7801"}, Status: Leaving, StartedAt: &now,
		Ready: true, Leader: true, Restarts: 2, LastError: "e", Started: true, Bootstrapped: true, Cluster: "1f",
		AccessStaleSince: &now}}
	whole.Prepared = &OperationStatus{ID: "o2", State: OperationPrepared, Manager: "m", Since: &now}
	text, err := json.Marshal(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, seed := range []string{`{}`, `{"name":null,"instances":[null,{}],"managers":null}`, `{"instances":[{"clientPort":1.0}]}`,
		`{"revision":-1}`, `{"instances":[{"startedAt":"x"}]}`, `{"pending":{"id":1}}`, `{"name":"a","more":{"b":[1]}}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, strict := checkAnswer(text)
		got, _, err := parseStore(text)
		var want Store
		wrong := json.Unmarshal(text, &want)
		if err != nil {
			if strict == nil && wrong == nil && len(text) > 0 && bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) &&
				!bytes.Contains(text, []byte("success")) && !bytes.Contains(text, []byte("statusCode")) {
				t.Fatalf("%q was refused: %v", text, err)
			}
			return
		}
		if wrong != nil && utf8.Valid(text) {
			t.Fatalf("%q was taken: %v", text, wrong)
		}
		if utf8.Valid(text) && fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) && (got.Prepared == nil) == (want.Prepared == nil) {
			got.Prepared, want.Prepared = nil, nil
			for _, list := range [][]Instance{got.Instances, got.Leaving, want.Instances, want.Leaving} {
				for i := range list {
					list[i].StartedAt, list[i].AccessStaleSince = nil, nil
				}
			}
			if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
				t.Errorf("%q:\ngot  %s\nwant %s", text, a, b)
			}
		}
	})
}
