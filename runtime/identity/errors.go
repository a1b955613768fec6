package identity

import (
	"fmt"
	"math/big"
	"time"
)

// Problem says why a certificate was refused, so that each reason can have its own message and status.
type Problem string

// The problems, in the order in which they are found.
const (
	NoCertificate    Problem = "no_certificate"    // the peer sent none
	NoIdentity       Problem = "no_identity"       // the certificate has no URI, or one that is no identity
	ManyIdentities   Problem = "many_identities"   // the certificate has more than one URI
	WrongCluster     Problem = "wrong_cluster"     // the identity is of another cluster
	WrongKind        Problem = "wrong_kind"        // for example an application's where a manager's is needed
	UnknownAuthority Problem = "unknown_authority" // no trusted root signed the chain
	NotYetValid      Problem = "not_yet_valid"     // a certificate of the chain is not valid yet: one of the clocks is wrong
	Expired          Problem = "expired"           // a certificate of the chain is not valid any more
	Unusable         Problem = "unusable"          // the chain breaks a rule, for example its issuer may not make this kind
	IsRevoked        Problem = "revoked"           // a certificate of the chain is revoked
)

// Error is a refused certificate.
type Error struct {
	Problem  Problem
	Identity Identity // as the certificate claims; the zero value if it has none. Believe it only in messages.
	Cluster  string   // the cluster that was expected, with WrongCluster
	Kinds    []Kind   // the kinds that were expected, with WrongKind
	// Subject is the certificate of the chain that is not valid at this time or revoked: "certificate", or "issuer" for
	// one above it.
	Subject             string
	NotBefore, NotAfter time.Time // with NotYetValid and Expired: when that certificate is valid
	Now                 time.Time // the time of this machine, with NotYetValid and Expired
	PeerNow             time.Time // the time of the peer, if a caller knows it: see WithPeerTime
	Serial              *big.Int  // the serial number of the revoked certificate, with IsRevoked
	Err                 error     // the cause, or nil
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithPeerTime returns a copy of the error that also tells the peer's clock, for example from the header Date of its
// answer.
func (e *Error) WithPeerTime(now time.Time) *Error {
	out := *e
	out.PeerNow = now
	return &out
}

// maxSkew is how far clocks may be apart: leaves are valid from 10 minutes before they were made.
const maxSkew = 10 * time.Minute

func (e *Error) Error() string {
	who := "the peer"
	if e.Identity != (Identity{}) {
		who = e.Identity.Describe()
	}
	switch e.Problem {
	case NoCertificate:
		return "the peer sent no certificate"
	case NoIdentity:
		return fmt.Sprintf("the peer's certificate has no identity of a cluster: %v", e.Err)
	case ManyIdentities:
		return "the peer's certificate has more than one identity"
	case WrongCluster:
		return fmt.Sprintf("%s belongs to another cluster: expected one of cluster %s", who, e.Cluster)
	case WrongKind:
		return fmt.Sprintf("%s can't be used here: expected the certificate of %s", who, oneOf(e.Kinds))
	case UnknownAuthority:
		return fmt.Sprintf("the certificate of %s was signed by an unknown authority", who)
	case NotYetValid:
		return fmt.Sprintf("the %s of %s is not valid before %s: %s", e.Subject, who, stamp(e.NotBefore), e.clocks())
	case Expired:
		return fmt.Sprintf("the %s of %s expired at %s, %s ago: %s", e.Subject, who, stamp(e.NotAfter), age(e.Now.Sub(e.NotAfter)), e.clocks())
	case IsRevoked:
		return fmt.Sprintf("the %s of %s is revoked (serial %x)", e.Subject, who, e.Serial)
	}
	return fmt.Sprintf("the certificate of %s can't be used: %v", who, e.Err)
}

// clocks describes the clocks that are known, and says when they differ by more than certificates allow for.
func (e *Error) clocks() string {
	text := "the clock here says " + stamp(e.Now)
	if e.PeerNow.IsZero() {
		return text
	}
	text += ", the peer's clock " + stamp(e.PeerNow)
	if apart := e.Now.Sub(e.PeerNow).Abs(); apart > maxSkew {
		text += fmt.Sprintf("; they are %s apart: set the wrong one", age(apart))
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// age shows a duration in the largest unit that fits: days, hours, minutes or seconds.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}

func oneOf(kinds []Kind) string {
	text := ""
	for i, k := range kinds {
		if i > 0 {
			text += " or "
		}
		switch k {
		case Instance, App:
			text += "an " + string(k)
		default:
			text += "a " + string(k)
		}
	}
	return text
}
