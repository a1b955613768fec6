package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dkvrun/runtime"
)

const (
	conversionRuns   = 51
	conversionTarget = 1.0  // ms for 1,000 results
	encodingTarget   = 10.0 // ms for 10,000 nodes
)

// conversion measures the conversion of 1,000 results of a builtin to Lua.
func conversion(ctx context.Context, _ *programs, r *report) error {
	fields := []runtime.Field{{Name: "manager"}, {Name: "store"}, {Name: "status"}, {Name: "instance_count"}, {Name: "revision"}}
	rowType := &runtime.RecordType{Name: "row", Fields: fields}
	values := map[string]any{"manager": "10.0.0.11:7801", "store": "OrdersStore", "status": "Running", "instance_count": 2, "revision": 1}
	items := make([]any, 1000)
	for i := range items {
		items[i] = runtime.Record{Type: rowType, Values: values}
	}
	host := runtime.New(runtime.Options{Builtins: []runtime.Builtin{{
		Name: "rows", Impl: func(*runtime.Call) (any, error) { return runtime.List{Items: items}, nil },
	}}})
	defer host.Close()
	var took []float64
	for range conversionRuns {
		began := time.Now()
		if _, err := host.Eval(ctx, "local n = #rows()"); err != nil {
			return err
		}
		took = append(took, milliseconds(time.Since(began)))
	}
	r.add("1000 results to Lua", "ms", took, conversionTarget)
	return nil
}

// encodingScript generates and encodes topologies of the maximum size, 10,000 nodes in all, and prints the processor
// time in milliseconds.
const encodingScript = `local hosts = {}
for i = 1, 125 do hosts[i] = "10.0.0." .. i end
local began, bytes = os.clock(), 0
for _ = 1, 80 do
  bytes = bytes + #json.encode(topology{managers = hosts, instance_prefix = "orders"})
end
return (os.clock() - began) * 1000`

const encodingRuns = 9

// encoding measures the generation and encoding of topologies of 10,000 nodes.
func encoding(ctx context.Context, p *programs, r *report) error {
	var took []float64
	for range encodingRuns {
		u, err := measure(ctx, "", p.dkvrun, "-e", encodingScript)
		if err != nil {
			return err
		}
		ms, err := strconv.ParseFloat(u.output, 64)
		if err != nil {
			return fmt.Errorf("topologies: printed %q: %w", u.output, err)
		}
		took = append(took, ms)
	}
	r.add("10000 nodes generated and encoded", "ms", took, encodingTarget)
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
