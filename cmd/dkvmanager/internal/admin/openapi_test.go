package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"sigs.k8s.io/yaml"

	"dkvrun/runtime/wire"
)

func TestOpenAPI_Valid(t *testing.T) {
	if err := document3(t).Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
}

func TestOpenAPI_ServedIsCurrent(t *testing.T) {
	source, err := os.ReadFile("../../../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := yaml.YAMLToJSONStrict(source)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Compact(&got, openAPI); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("openapi.json is not what docs/openapi.yaml says: go generate ./cmd/dkvmanager/internal/admin")
	}
}

func TestOpenAPI_DescribesEveryRoute(t *testing.T) {
	described := map[string]string{}
	for path, item := range document3(t).Paths.Map() {
		for method, operation := range item.Operations() {
			described[method+" "+path] = operation.OperationID
			for _, schema := range operation.Responses.Map() {
				if schema.Value == nil {
					t.Errorf("%s %s has a response without a description", method, path)
				}
			}
		}
	}
	for _, r := range routes {
		key := r.method + " " + wire.Prefix + r.path
		if described[key] != r.action {
			t.Errorf("%s is %q in the description, want %q", key, described[key], r.action)
		}
		item := document3(t).Paths.Value(wire.Prefix + r.path)
		if item != nil {
			var params []string
			for _, p := range item.GetOperation(r.method).Parameters {
				params = append(params, p.Value.Name)
			}
			if !slices.Equal(params, r.params) {
				t.Errorf("%s: parameters %v in the description, want %v", key, params, r.params)
			}
			if hasBody := item.GetOperation(r.method).RequestBody != nil; hasBody != r.body {
				t.Errorf("%s: has a body in the description: %v, want %v", key, hasBody, r.body)
			}
		}
		delete(described, key)
	}
	if len(described) > 0 {
		t.Errorf("described and not served: %s", strings.Join(slices.Sorted(maps.Keys(described)), ", "))
	}
}

func TestOpenAPI_DescribesEveryCode(t *testing.T) {
	enum := document3(t).Components.Schemas["Refused"].Value.Properties["code"].Value.Enum
	for _, code := range wire.RefusalCodes {
		if !slices.Contains(enum, any(code)) {
			t.Errorf("code %s is not described", code)
		}
	}
}

func TestOpenAPI_IsServed(t *testing.T) {
	b := newHarness(t)
	var doc map[string]any
	b.get(wire.Prefix+"/openapi.json", &doc)
	if doc["openapi"] != "3.0.3" {
		t.Errorf("got openapi %v", doc["openapi"])
	}
}
