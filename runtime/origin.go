package runtime

// origin is where a task was begun.
type origin struct {
	file  string
	line  int
	trace string
	outer *origin
}

// traced gives a task's error the tracebacks of what began the task, and the place where the error has
// none.
func (o *origin) traced(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	traced := *e
	if traced.Line == 0 {
		traced.File, traced.Line = o.file, o.line
	}
	for ; o != nil; o = o.outer {
		traced.Traceback += "\nin a task begun at:\n" + o.trace
	}
	return &traced
}
