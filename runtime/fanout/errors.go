package fanout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// Classes of Error: stable words, for programs.
const (
	Timeout     = "timeout"     // no complete answer in time
	Refused     = "refused"     // nothing listens on the port
	Unreachable = "unreachable" // the network has no way there
	DNS         = "dns"         // the name has no address
	TLS         = "tls"         // no secure connection: certificate or protocol
	Reset       = "reset"       // the connection broke off
	Protocol    = "protocol"    // the answer is not HTTP, too large or compressed
	HTTP        = "http"        // an answer in HTTP with a status that says no; given by who reads it
	Local       = "local"       // this machine could not: descriptors or ports are used up
	Cancelled   = "cancelled"   // cut off by the caller or by FailFast after it was begun
	Skipped     = "skipped"     // not begun, for the same reasons
)

// Error says why a request has no answer.
type Error struct {
	// Class is one of the words above.
	Class string
	// Message is a line for a person: it names the endpoint and what to do.
	Message string
	// Sent is true once any of the request may have reached the server: what became of it isn't known.
	Sent  bool
	cause error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.cause }

// phase is how far a request came.
type phase int

const (
	resolving phase = iota
	connecting
	handshaking
	sending
	waiting // for the first byte of the answer
	reading
)

type failure struct {
	phase phase
	err   error
}

func skipped(e Endpoint, cause error) *Error {
	message := fmt.Sprintf("%s: not tried: %s", e, ended(cause))
	return &Error{Class: Skipped, Message: message, cause: cause}
}

// ended puts into words why the work was stopped.
func ended(cause error) string {
	switch {
	case errors.Is(cause, errFailFast):
		return "another request failed first"
	case errors.Is(cause, context.DeadlineExceeded):
		return "the time for the whole was up"
	}
	return "cancelled"
}

func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// explain turns a failure into an Error. The caller's stop comes first: it closes connections, and
// what they then report is a consequence.
func explain(ctx context.Context, e Endpoint, f *failure, sent bool, limits limits) *Error {
	out := &Error{Sent: sent, cause: f.err}
	say := func(class, format string, args ...any) *Error {
		out.Class, out.Message = class, e.String()+": "+fmt.Sprintf(format, args...)
		return out
	}
	if end, has := ctx.Deadline(); has && !time.Now().Before(end) {
		<-ctx.Done() // a connect knows this deadline too, and can be a moment earlier than ctx itself
	}
	if ctx.Err() != nil {
		out.cause = context.Cause(ctx)
		if sent {
			return say(Cancelled, "cut off before the answer came: %s", ended(out.cause))
		}
		return say(Cancelled, "cut off before the request was sent: %s", ended(out.cause))
	}
	if timedOut(f.err) {
		if f.phase <= handshaking {
			return say(Timeout, late[f.phase], limits.connect)
		}
		return say(Timeout, late[f.phase], limits.answer)
	}
	var dns *net.DNSError
	var record *fasthttp.ErrSmallBuffer
	switch err := f.err; {
	case errors.As(err, &dns):
		return say(DNS, "the name %s has no address (%s): correct it, or look at this machine's name service", e.Host, dns.Err)
	case f.phase == resolving:
		return say(DNS, "the name %s could not be looked up: %v", e.Host, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return say(Refused, "connection refused: nothing listens there; is the server running, and the port right?")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return say(Unreachable, "no way there through the network (%v): check the address and the route", errno(err))
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return say(Local, "this machine can't open another connection (%v): ask fewer at once, or raise ulimit -n", errno(err))
	case f.phase == connecting:
		return say(Unreachable, "could not connect: %v", errno(err))
	case f.phase == handshaking:
		return say(TLS, "no secure connection: %v; does it speak https, and is its certificate one that this machine trusts?", Printable(err.Error()))
	case f.phase == sending:
		return say(Reset, "closed the connection while the request was being sent (%v)", errno(err))
	case f.phase == waiting:
		return say(Reset, "closed the connection without an answer: its log may say why")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return say(Protocol, "the answer is larger than %d MiB and was not read", MaxBody>>20)
	case errors.Is(err, errTotal):
		return say(Protocol, "the answers are larger than %d MiB together, and this one was not read: ask fewer at once, or allow more memory", limits.total>>20)
	case errors.As(err, &record):
		return say(Protocol, "the headers of the answer are larger than %d KiB", MaxHeader>>10)
	case errors.Is(err, errCoding):
		return say(Protocol, "the answer is compressed, which was not asked for: is a proxy in between?")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return say(Reset, "broke off in the middle of its answer")
	}
	return say(Protocol, "the answer is not HTTP: is it the right port?")
}

// late is what a timeout means in each phase.
var late = [...]string{
	resolving:   "the name service gave no answer within %s",
	connecting:  "no connection within %s: is the server up, and no firewall in between?",
	handshaking: "connected, but within %s no secure connection came about: does it speak https?",
	sending:     "connected, but did not take the request within %s",
	waiting:     "took the request, but gave no answer within %s",
	reading:     "began to answer, but did not finish within %s",
}

// errno is the system's own word for an error, without Go's account of the call.
func errno(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}
