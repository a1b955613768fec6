package runtime

import (
	"context"
	"fmt"
	"io"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func manyBuiltins() []Builtin {
	builtins := []Builtin{ArgsBuiltin()}
	for i := range 60 {
		b := declared[0]
		b.Name = fmt.Sprintf("builtin_%d", i)
		if i%6 == 0 {
			b.Name = fmt.Sprintf("space_%d.f", i%4)
		}
		builtins = append(builtins, b)
	}
	return builtins
}

func BenchmarkHost_New(b *testing.B) {
	builtins := manyBuiltins()
	b.ReportAllocs()
	for b.Loop() {
		New(Options{Builtins: builtins, Stdout: io.Discard}).Close()
	}
}

func BenchmarkHost_Call(b *testing.B) {
	h, _ := testHost(b, declared...)
	fn, err := h.compiler.compile("bench", []byte(`for _ = 1, 1000 do new_store{"S", instance_count = 2} end`))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := h.run(context.Background(), fn, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/call")
}

var resultType = &RecordType{Name: "row", Fields: []Field{{Name: "manager"}, {Name: "instance"}, {Name: "action"}, {Name: "result"}, {Name: "success"},
	{Name: "changed"}, {Name: "status_code"}, {Name: "message"}, {Name: "code"}, {Name: "attempts"}, {Name: "duration_ms"}}}

func BenchmarkHost_ThousandRecords(b *testing.B) {
	items := make([]any, 1000)
	for i := range items {
		items[i] = Record{Type: resultType, Values: map[string]any{"manager": "10.0.0.11:7801", "action": "CreateStore", "result": "SUCCESS",
			"success": true, "changed": true, "status_code": 201, "message": "Created", "attempts": 1, "duration_ms": 1.5}}
	}
	h, _ := testHost(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.conv.toLua(List{Items: items, Type: resultType}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHost_ThousandItemsOfAnObject(b *testing.B) {
	names := make([]string, 1000)
	h, _ := testHost(b, given("rows", &fleet{names: names}))
	fn, err := h.compiler.compile("bench", []byte(`local n = 0 for _, r in ipairs(rows()) do n = n + r.port end`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.run(context.Background(), fn, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHost_Loop measures the cost of checking for cancellation.
func BenchmarkHost_Loop(b *testing.B) {
	const src = `local x = 0 for i = 1, 100000 do x = x + i % 7 end return x`
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
	}{{"none", nil}, {"context", ctx}, {"task", (&scheduler{}).newTask()}} {
		b.Run(c.name, func(b *testing.B) {
			L := lua.NewState()
			defer L.Close()
			if c.ctx != nil {
				L.SetContext(c.ctx)
			}
			for b.Loop() {
				if err := L.DoString(src); err != nil {
					b.Fatal(err)
				}
				L.SetTop(0)
			}
		})
	}
}
