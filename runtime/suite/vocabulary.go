package suite

import (
	"context"
	"errors"
	"fmt"

	"dkvrun/runtime"
)

// Vocabulary checks the names that a suite writes after assert and match, for tools that read suites without running
// them. It uses the Lua code that looks them up in a run.
type Vocabulary struct {
	host *runtime.Host
	// The functions of reading.lua.
	kind, register, call, module, fields *runtime.Func
}

// NewVocabulary returns the vocabulary that a suite begins with.
func NewVocabulary() *Vocabulary {
	f := &file{}
	v := &Vocabulary{host: runtime.New(runtime.Options{Builtins: append(f.spellings(), f.primitives()...)})}
	first, err := luaSource(start)
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

// Close closes its host. The vocabulary can't be used afterwards.
func (v *Vocabulary) Close() { v.host.Close() }

// ask calls a function of reading.lua that does not raise errors.
func (v *Vocabulary) ask(f *runtime.Func, args ...any) []any {
	got, err := v.host.Call(context.Background(), f, args...)
	if err != nil {
		panic(err)
	}
	return got
}

// Kind checks the kind in an assert:register. It returns the message that a run raises, or "".
func (v *Vocabulary) Kind(kind string) (problem string) {
	_, err := v.host.Call(context.Background(), v.kind, kind)
	return message(err)
}

// Register adds an assertion, a matcher or a modifier that the suite registers. An empty name stands for an unknown
// one: from then on, every name of that kind is accepted.
func (v *Vocabulary) Register(kind, name string) {
	args := []any{kind}
	if name != "" {
		args = append(args, name)
	}
	v.ask(v.register, args...)
}

// Call checks a call such as assert.is_not.equal(…). root is assert or match; path is the names after it, with dots
// between them. given is the minimum number of arguments; nil in args stands for an unknown value. Call returns in
// problem the message that a run certainly raises, or "", and in on whether names may follow the call, as after
// assert.spy(s).
func (v *Vocabulary) Call(root, path string, given int, args []any) (on bool, problem string) {
	got, err := v.host.Call(context.Background(), v.call, append([]any{root, path, given}, args...)...)
	if err != nil {
		return false, message(err)
	}
	return got[0] == true, ""
}

// Module returns the name of the global that require returns for a module, or "" if it is another module.
func (v *Vocabulary) Module(name string) string {
	for _, global := range v.ask(v.module, name) {
		if global, ok := global.(string); ok {
			return global
		}
	}
	return ""
}

// Fields returns the names of the functions of spy, stub or mock.
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
