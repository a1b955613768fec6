package suite

import (
	"context"
	"errors"
	"fmt"

	"dkvrun/runtime"
)

// Vocabulary answers what a run would say to the names that a suite puts after assert and match, for
// what reads suites without running them. The answers are those of the Lua that a run looks them up with.
type Vocabulary struct {
	host *runtime.Host
	// The functions of reading.lua.
	kind, register, call, module, fields *runtime.Func
}

// NewVocabulary makes the vocabulary that a suite begins with.
func NewVocabulary() *Vocabulary {
	f := &file{}
	v := &Vocabulary{host: runtime.New(runtime.Options{Builtins: append(f.spellings(), f.primitives()...)})}
	first, err := part(start)
	if err != nil {
		panic(err)
	}
	got, err := v.host.RunSource(context.Background(), runtime.InternalSource(start), first)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", start, err))
	}
	functions := v.ask(got[0].(*runtime.Func), "reading")
	for i, at := range []**runtime.Func{&v.kind, &v.register, &v.call, &v.module, &v.fields} {
		*at = functions[i].(*runtime.Func)
	}
	return v
}

// Close frees it. It can't be used afterwards.
func (v *Vocabulary) Close() { v.host.Close() }

// ask calls a function that raises nothing.
func (v *Vocabulary) ask(f *runtime.Func, args ...any) []any {
	got, err := v.host.Call(context.Background(), f, args...)
	if err != nil {
		panic(err)
	}
	return got
}

// Kind judges a kind of what suites register. The problem, "" for none, is what a run raises.
func (v *Vocabulary) Kind(kind string) (problem string) {
	_, err := v.host.Call(context.Background(), v.kind, kind)
	return message(err)
}

// Register notes that the suite registers an assertion, a matcher or a modifier. An empty name stands
// for one that only a run can tell: from then on no name of that kind is unknown.
func (v *Vocabulary) Register(kind, name string) {
	args := []any{kind}
	if name != "" {
		args = append(args, name)
	}
	v.ask(v.register, args...)
}

// Call judges a call of what stands after assert or match, the root: names with dots between them. So
// many arguments are given at least; nil among them stands for a value that is not known. The problem, ""
// for none, is what a run raises for sure. On tells whether names may follow the call, as after assert.spy(s).
func (v *Vocabulary) Call(root, path string, given int, args []any) (on bool, problem string) {
	got, err := v.host.Call(context.Background(), v.call, append([]any{root, path, given}, args...)...)
	if err != nil {
		return false, message(err)
	}
	return got[0] == true, ""
}

// Module is the global that require gives for a module's name, "" for another module.
func (v *Vocabulary) Module(name string) string {
	for _, global := range v.ask(v.module, name) {
		if global, ok := global.(string); ok {
			return global
		}
	}
	return ""
}

// Fields are the functions that spy, stub or mock has.
func (v *Vocabulary) Fields(global string) []string {
	var names []string
	for _, got := range v.ask(v.fields, global) {
		list, _ := got.([]any)
		for _, name := range list {
			names = append(names, fmt.Sprint(name))
		}
	}
	return names
}

func message(err error) string {
	var e *runtime.Error
	if errors.As(err, &e) {
		return e.Message
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
