package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"dkvrun/runtime/rewrite"
	"dkvrun/runtime/syntax"
)

// MaxSource is the maximum size, in bytes, of a script, a module or a loaded chunk.
const MaxSource = 1 << 20

// readSource reads a script, but not more than one byte beyond MaxSource.
func readSource(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	return readLimited(path, f)
}

func readLimited(path string, r io.Reader) ([]byte, error) {
	src, err := io.ReadAll(io.LimitReader(r, MaxSource+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	return src, nil
}

func unreadable(path string, err error) *Error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return &Error{Message: fmt.Sprintf("%s: can't be read: %v", path, err), Code: CodeSource, Cause: err}
}

// TooLarge is the message for a source of more than MaxSource bytes.
const TooLarge = "the source is larger than 1 MiB"

// InternalSource returns the name of a source for Lua code of the runner. Tracebacks and the positions of errors skip
// such sources.
func InternalSource(name string) string { return "[" + name + "]" }

// IsInternalSource reports whether InternalSource returned the name. Chunks that a script loads have names such as
// [string "return 1"].
func IsInternalSource(name string) bool {
	return strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") && !strings.HasPrefix(name, `[string "`)
}

// compiler compiles the sources of one Lua state.
type compiler struct {
	main        *lua.LState
	concatenate *lua.LFunction  // .. is compiled to a call of it
	sources     map[string]bool // names of the compiled sources
}

// compile checks and compiles a source. Its errors are *Error with the code source.
func (c *compiler) compile(name string, src []byte) (*lua.LFunction, error) {
	return c.function(name, c.prototype(name, src))
}

// longSource is the size, in bytes, of a source from which compileUntil can be interrupted.
const longSource = 32 << 10

// compileUntil does the same as compile. If ctx ends earlier, it returns the error of ctx. The
// compilation then continues in the background for a few seconds at most, and its result is dropped.
func (c *compiler) compileUntil(ctx context.Context, name string, src []byte) (*lua.LFunction, error) {
	if len(src) < longSource {
		return c.compile(name, src)
	}
	done := make(chan compiled, 1)
	go func() {
		var result compiled
		defer func() {
			result.panicked = recover()
			done <- result
		}()
		result = c.prototype(name, src)
	}()
	select {
	case result := <-done:
		return c.function(name, result)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// compiled is the outcome of compiling a source.
type compiled struct {
	proto    *lua.FunctionProto
	err      error
	panicked any // value of a panic on another goroutine, or nil
}

// function makes the function of a source with the given name.
func (c *compiler) function(name string, result compiled) (*lua.LFunction, error) {
	if result.panicked != nil {
		panic(result.panicked)
	}
	if result.err != nil {
		return nil, result.err
	}
	c.sources[name] = true
	return c.main.NewFunctionFromProto(result.proto), nil
}

// prototype checks and compiles a source. It changes nothing of the compiler.
func (c *compiler) prototype(name string, src []byte) compiled {
	src = stripHeader(src)
	refuse := func(line int, format string, args ...any) compiled {
		return compiled{err: &Error{Message: fmt.Sprintf(format, args...), File: name, Line: line, Code: CodeSource}}
	}
	if len(src) > MaxSource {
		return refuse(1, "%s", TooLarge)
	}
	if bytes.HasPrefix(src, []byte("\x1b")) {
		return refuse(1, "compiled Lua can't be loaded: only text")
	}
	var refused *syntax.Error
	if err := syntax.Validate(src); errors.As(err, &refused) {
		return compiled{err: &Error{
			Message: refused.Message, File: name, Line: refused.From.Line, Code: CodeSource, Cause: refused,
		}}
	}
	chunk, err := parse.Parse(bytes.NewReader(syntax.ForGopherLua(src)), name)
	var proto *lua.FunctionProto
	if err == nil {
		proto, err = rewrite.Compile(chunk, name, len(src), c.concatenate)
	}
	if err == nil {
		return compiled{proto: proto}
	}
	var refusal *rewrite.Refusal
	if errors.As(err, &refusal) {
		return refuse(refusal.Line, "%s", refusal.Message)
	}
	return compiled{err: &Error{Message: name + ": " + err.Error(), Code: CodeSource}}
}

// stripHeader removes a byte order mark and a first line that begins with #!. It keeps the line feed, so that line
// numbers stay right.
func stripHeader(src []byte) []byte {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if !bytes.HasPrefix(src, []byte("#!")) {
		return src
	}
	if end := bytes.IndexByte(src, '\n'); end >= 0 {
		return src[end:]
	}
	return nil
}

// splitPosition splits "file:line:" off a message if file is a source of this host.
func (c *compiler) splitPosition(text string) (file string, line int, message string) {
	for name := range c.sources {
		rest, ok := strings.CutPrefix(text, name+":")
		if !ok {
			continue
		}
		digits, message, ok := strings.Cut(rest, ":")
		if n, err := strconv.Atoi(digits); ok && err == nil {
			return name, n, strings.TrimPrefix(message, " ")
		}
	}
	return "", 0, text
}
