// Package runtime is the Lua host. It makes globals of declared builtins and runs scripts with the streams, arguments
// and context that it is given. It reports each failure in one line that names the position in the script.
//
// In the runner only this package, lualib and rewrite import gopher-lua.
package runtime

// Type is the type of the values that a parameter accepts.
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
	Verbatim      // any value; arrives as Value and can be passed on unchanged
)

// Param declares one parameter of a builtin.
type Param struct {
	Name string
	// Alias is a second name of the parameter. The cmdlets of earlier versions use it.
	Alias string
	Type  Type
	Doc   string
	// Required parameters have no Default.
	Required bool
	// Default is the value of an absent parameter. A nil Default leaves the parameter absent: Call.Has returns false.
	Default any
	// Min and Max bound an Integer or a Number, both inclusive; nil means no bound.
	Min, Max *float64
	// Enum lists the accepted strings; empty means any.
	Enum []string
	// Check validates a converted value. Its error completes "new_store: parameter name: …".
	Check func(any) error
	// Rest makes a positional Strings, Any or Verbatim parameter take all remaining positional values. Any and
	// Verbatim then arrive as []any and keep nils.
	Rest bool
	// Fields makes a last table with string keys the value of a positional Table parameter, unless one of the keys is the
	// name of a parameter of the builtin.
	Fields bool
}

// Builtin declares one function that scripts can call. The help, the reference, the editor stubs, completion and the
// linter are made from it.
type Builtin struct {
	// Name is the name of the global. "topology.validate" is a field of the global topology, which may itself be
	// callable.
	Name string
	// Group is the builtin's heading in the help: Session, Actions, Queries, …
	Group string
	// Doc describes the builtin in one or a few sentences.
	Doc    string
	Params []Param
	// Positional is the number of Params, counted from the first, that may also be given by position. A table in the
	// position of an Any or Verbatim parameter is always that parameter's value. In the position of a Table or
	// Strings parameter it is the value if it has no string keys. Any other last table holds the named parameters.
	Positional int
	// Returns describes the result in words.
	Returns string
	// ReturnType names the type of the result: a declared record or object, string, integer, number or boolean, "list
	// of NAME", or "NAME of NAME" for a list with named fields ("rows of store row"). It is empty for any other type.
	ReturnType string
	// Example is a piece of a script. A test runs it against a throw-away cluster.
	Example string
	Impl    func(*Call) (any, error)
}

// Field declares one field of a record or object.
type Field struct {
	Name, Doc string
	// Type names the field's type as Builtin.ReturnType does.
	Type string
	// Get reads the field of an object. It is nil for the fields of records.
	Get func(Object) any
	// OnRead, where set, is called with the Source of a record or list when a script reads the field. To print or to
	// encode the value is no such reading.
	OnRead func(source Object)
}

// RecordType declares the fields of a record, or the named fields of a list. A script that reads an undeclared field
// gets an error.
type RecordType struct {
	Name   string
	Doc    string
	Fields []Field
	// Methods are called with a colon; Call.Self is then the Source.
	Methods []Builtin
	// String, where set, returns the text for tostring.
	String func(Record) string
}

// Record becomes a Lua table with the fields of Type. A field that Values lacks is nil. Scripts may change the table.
// The builtin must not change Values after it returned the record, because fields are read when a script needs them.
type Record struct {
	Type   *RecordType
	Values map[string]any
	// Get, unless nil, returns the fields in place of Values. It is called when a field is needed, since a script
	// reads few fields of thousands of records. It must return the same value each time. It may return a LazyList.
	Get func(field string) any
	// Source, where set, is the object behind the record. It gets the methods of Type, the OnRead of its fields, and
	// assert(record).
	Source Object
}

// LazyList is a list that is built when a script needs more than its length.
type LazyList struct {
	Len  int
	Make func() List
}

// Value returns the value of a field, or nil if the record lacks it.
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

// Fields returns the values of all fields.
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

// List becomes a Lua list. Type, unless nil, declares named fields beside the items (rows.ok). pairs and json.encode
// leave them out.
type List struct {
	Items  []any
	Type   *RecordType
	Values map[string]any
	// String, unless nil, returns the text for tostring. It gets the current items, which a script may have changed.
	String func(items []any) string
	// Source, where set, is the object behind the list, as that of a Record.
	Source Object
}

// Dict becomes a Lua table whose keys are not declared in a schema but come from the data, such as the names of
// metrics. Reading a key that the table doesn't have is an error.
type Dict struct {
	Name   string // what errors call it
	Values map[string]any
}

// Object is a Go value that scripts hold by reference. It has read-only fields, methods and perhaps items. Its
// dynamic type must be comparable: == in a script compares the Go values.
type Object interface{ ObjectType() *ObjectType }

// ObjectType declares what scripts can do with an object.
type ObjectType struct {
	Name, Doc string
	Fields    []Field
	// Methods are called with a colon; Call.Self is then the object.
	Methods []Builtin
	// Len and At, unless nil, make #o, o[i], ipairs, unpack and json.encode work. i counts from 1.
	Len func(Object) int
	At  func(o Object, i int) any
	// ItemType names the type of At's results as Builtin.ReturnType does.
	ItemType string
	// String returns the text for tostring.
	String func(Object) string
	// Assert, unless nil, runs when a script calls assert(o). An error that it returns is raised.
	Assert func(Object) error
}

// Iterator becomes a Lua function for the generic for loop. Each call returns the next values, and none at the end.
type Iterator func() ([]any, error)

// Bound returns a pointer for Min or Max.
func Bound(x float64) *float64 { return &x }
