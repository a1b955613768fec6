// Package runtime is the Lua host: it turns declarations of builtins into globals, runs scripts over
// the streams, arguments and context that it is given, and turns what goes wrong into one line that
// names the place.
//
// No other package of the runner imports gopher-lua.
package runtime

// Type is what a parameter accepts.
type Type int

const (
	Any      Type = iota
	String        // a Lua string, never a number
	Integer       // a number without a fraction
	Number        // any finite number
	Boolean       //
	Function      // arrives as *Func
	Strings       // one string or a list of strings; arrives as []string
	Table         // a list arrives as []any, anything else as map[string]any
	Verbatim      // any value; arrives as Value, to be handed on as it is
)

// Param declares one parameter of a builtin.
type Param struct {
	Name string
	// Alias is a second name, accepted where the cmdlets had it.
	Alias string
	Type  Type
	Doc   string
	// Required parameters have no Default.
	Required bool
	// Default is what an absent parameter arrives as; nil leaves it absent (Call.Has is false).
	Default any
	// Min and Max bound an Integer or a Number, both included; nil for no bound.
	Min, Max *float64
	// Enum lists the only strings that are accepted.
	Enum []string
	// Check refuses a converted value; its error completes "new_store: parameter name: …".
	Check func(any) error
	// Rest, on a positional Strings, Any or Verbatim parameter: takes all positional values that are
	// left. An Any or Verbatim with Rest arrives as []any and keeps nils.
	Rest bool
}

// Builtin declares one function that scripts can call, and what every rendering of it says.
type Builtin struct {
	// Name is the global's name; "topology.validate" is a field of the global topology, which may be
	// callable itself.
	Name string
	// Group is the heading it stands under in the help: Session, Actions, Queries, …
	Group string
	// Doc is one sentence, or one and a few more.
	Doc    string
	Params []Param
	// Positional is how many of Params, from the first, may also be given by position. A table in the
	// place of an Any or Verbatim parameter is always its value, in that of a Table or Strings parameter if it has
	// no names; any other last table holds the named parameters.
	Positional int
	// Returns says what comes back, in words.
	Returns string
	// ReturnType names what comes back: a record or an object that is declared, string, integer, number or
	// boolean, "list of NAME", or "NAME of NAME" where the list has fields of its own ("rows of store
	// row"); empty for anything else.
	ReturnType string
	// Example is a piece of script that runs as it stands against a throw-away cluster.
	Example string
	Impl    func(*Call) (any, error)
}

// Field declares one field of a record or object.
type Field struct {
	Name, Doc string
	// Type names what the field holds, as Builtin.ReturnType does.
	Type string
	// Get reads the field of an object; nil for the fields of records.
	Get func(Object) any
}

// RecordType declares the fields of a record or the named fields of a list. Reading a field that is
// not declared raises.
type RecordType struct {
	Name   string
	Doc    string
	Fields []Field
}

// Record becomes a Lua table with Type's fields; what Values lacks is nil. Scripts may change it; the
// builtin that gave it must not change Values any more, which are read when they are needed.
type Record struct {
	Type   *RecordType
	Values map[string]any
	// Get, where set, gives the fields in place of Values, each when it is needed: of thousands of
	// records a script reads a few fields. It gives the same value each time. A list may be a Later.
	Get func(field string) any
}

// Later is a list that is made when more of it is wanted than its length.
type LazyList struct {
	Len  int
	Make func() List
}

// Value is the value of a field; nil for one that it hasn't.
func (r Record) Value(field string) any {
	v := r.value(field)
	if later, is := v.(LazyList); is {
		return later.Make()
	}
	return v
}

func (r Record) value(field string) any {
	if r.Get != nil {
		return r.Get(field)
	}
	return r.Values[field]
}

// Fields are the values of all fields.
func (r Record) Fields() map[string]any {
	if r.Get == nil {
		return r.Values
	}
	values := make(map[string]any, len(r.Type.Fields))
	for _, f := range r.Type.Fields {
		values[f.Name] = r.Value(f.Name)
	}
	return values
}

// List becomes a Lua list. Type, where set, declares named fields beside the items (rows.ok), which
// pairs and json.encode don't show.
type List struct {
	Items  []any
	Type   *RecordType
	Values map[string]any
	// String, where set, is what tostring gives; it gets the items as they are by then.
	String func(items []any) string
}

// Object is a Go value that scripts hold by reference: read-only fields, methods, perhaps items. It is
// comparable, as pointers are: == in a script is == of the Go values.
type Object interface{ ObjectType() *ObjectType }

// ObjectType declares what scripts can do with an object.
type ObjectType struct {
	Name, Doc string
	Fields    []Field
	// Methods are called with a colon; Call.Self is the object.
	Methods []Builtin
	// Len and At, where set, make #o, o[i], ipairs, unpack and json.encode work; i counts from 1.
	Len func(Object) int
	At  func(o Object, i int) any
	// ItemType names what At gives, as Builtin.ReturnType does.
	ItemType string
	// String is what tostring gives.
	String func(Object) string
	// Assert, where set, is what assert(o) does: an error raises with it.
	Assert func(Object) error
}

// Iterator becomes a Lua function for the generic for: each call gives the next values, and none at
// the end.
type Iterator func() ([]any, error)

// Bound makes a Min or Max.
func Bound(x float64) *float64 { return &x }
