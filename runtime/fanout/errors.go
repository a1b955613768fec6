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

// Classes of Error. Programs may depend on these words.
const (
	Timeout      = "timeout"       // no complete answer in time
	Refused      = "refused"       // nothing listens on the port
	Unreachable  = "unreachable"   // no route to the server
	DNS          = "dns"           // the name has no address
	TLS          = "tls"           // no secure connection: certificate or protocol; a SecurityError has its own class
	OtherManager = "other_manager" // a secure connection, and another manager than the one that is meant
	Reset        = "reset"         // the server closed the connection
	Protocol     = "protocol"      // the answer is not HTTP, too large or compressed
	HTTP         = "http"          // an HTTP status of failure; set by the caller
	Local        = "local"         // this machine has no descriptors or ports left
	Cancelled    = "cancelled"     // cancelled by the caller or by FailFast after it began
	Skipped      = "skipped"       // cancelled before it began
)

// Error is the reason why a request has no answer.
type Error struct {
	// Class is one of the classes above.
	Class string
	// Message is one line for the user. It names the endpoint and says what to do.
	Message string
	// Hint says what to do, if the message doesn't; it may be empty.
	Hint string
	// Sent is true if the server may have received some of the request. Its effect is unknown then.
	Sent  bool
	cause error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.cause }

// phase is the phase of a request in which it failed.
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

// as says who the client is, if the failure is about that.
func (f *failure) as() string {
	var insecure *SecurityError
	if errors.As(f.err, &insecure) {
		return insecure.As
	}
	return ""
}

func skipped(e Endpoint, cause error) *Error {
	message := fmt.Sprintf("%s: not tried: %s", e, ended(cause))
	return &Error{Class: Skipped, Message: message, cause: cause}
}

// ended returns the text for the cause of a cancelled batch.
func ended(cause error) string {
	switch {
	case errors.Is(cause, errFailFast):
		return "another request failed first"
	case errors.Is(cause, context.DeadlineExceeded):
		return "the time limit has passed"
	}
	return "cancelled"
}

func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// explain returns the Error for a failure. It checks first whether ctx has ended: that closes connections, and f is
// then only a consequence.
func explain(ctx context.Context, e Endpoint, f *failure, sent bool, limits limits) *Error {
	out := &Error{Sent: sent, cause: f.err}
	say := func(class, format string, args ...any) *Error {
		out.Class, out.Message = class, e.String()+": "+fmt.Sprintf(format, args...)
		return out
	}
	if end, has := ctx.Deadline(); has && !time.Now().Before(end) {
		<-ctx.Done() // net.Dialer uses the same deadline and can fail a moment before ctx ends
	}
	if ctx.Err() != nil {
		out.cause = context.Cause(ctx)
		if sent {
			return say(Cancelled, "cancelled before the answer arrived: %s", ended(out.cause))
		}
		return say(Cancelled, "cancelled before the request was sent: %s", ended(out.cause))
	}
	if timedOut(f.err) {
		if f.phase <= handshaking {
			return say(Timeout, late[f.phase], limits.connect)
		}
		return say(Timeout, late[f.phase], limits.answer)
	}
	var insecure *SecurityError
	if errors.As(f.err, &insecure) {
		out.Hint = insecure.Hint
		return say(insecure.Class, "%s", insecure.Message)
	}
	var dns *net.DNSError
	var record *fasthttp.ErrSmallBuffer
	switch err := f.err; {
	case errors.As(err, &dns):
		return say(DNS, "the name %s has no address (%s): correct it, or check the DNS of this machine", e.Host, dns.Err)
	case f.phase == resolving:
		return say(DNS, "the name %s could not be looked up: %v", e.Host, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return say(Refused, "connection refused: nothing listens there; is the server running, and the port right?")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return say(Unreachable, "no route to the server (%v): check the address and the network", errno(err))
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return say(Local, "this machine can't open another connection (%v): send fewer requests at a time, or raise ulimit -n", errno(err))
	case f.phase == connecting:
		return say(Unreachable, "could not connect: %v", errno(err))
	case f.phase == handshaking:
		return say(TLS, "no TLS connection: %v; does the server speak https, and does this machine trust its certificate?", err)
	case f.phase == sending:
		return say(Reset, "closed the connection while the request was being sent (%v)", errno(err))
	case f.phase == waiting:
		return say(Reset, "closed the connection without an answer: see its log")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return say(Protocol, "the answer is larger than %d MiB and was not read", maxBody>>20)
	case errors.Is(err, errTotal):
		return say(Protocol, "all answers together are larger than %d MiB, and this one was not read: query fewer servers at a time, or raise --max-memory", limits.total>>20)
	case errors.As(err, &record):
		return say(Protocol, "the headers of the answer are larger than %d KiB", maxHeader>>10)
	case errors.Is(err, errCoding):
		return say(Protocol, "the answer is compressed although the request did not allow it: is there a proxy in between?")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return say(Reset, "closed the connection in the middle of its answer")
	}
	return say(Protocol, "the answer is not HTTP: is the port right?")
}

// late holds the text of a timeout for each phase.
var late = [...]string{
	resolving:   "no answer from DNS within %s",
	connecting:  "no connection within %s: is the server up, and no firewall in between?",
	handshaking: "connected, but no TLS connection within %s: does the server hang, or not speak https?",
	sending:     "connected, but did not read the request within %s",
	waiting:     "took the request, but gave no answer within %s",
	reading:     "began to answer, but did not finish within %s",
}

// errno returns the system's error number within err, without Go's description of the call, or err.
func errno(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}
