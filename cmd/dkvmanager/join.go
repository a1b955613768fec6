package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// joinTimeout bounds the whole exchange with the server that lets this one join.
const joinTimeout = 30 * time.Second

// maxJoined is the largest answer to a request to join, in bytes: 1 MiB of the access log, escaped, and certificates.
const maxJoined = 4 << 20

// maxJoinReply bounds all that the other end may send over the connection, in bytes: two answers with their headers.
const maxJoinReply = maxJoined + 64<<10

// maxClockSkew is how far the clocks of two managers may be apart: certificates are valid from 10 minutes before they
// are made.
const maxClockSkew = 10 * time.Minute

// joinOptions is the checked command line of the command join.
type joinOptions struct {
	*options
	address string // HOST:PORT
	token   access.JoinToken
	again   bool
	noServe bool
}

// runJoin makes this manager a member of a cluster, and serves.
func runJoin(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseJoin(ctx, args, stdin)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if errors.Is(err, errInterrupted) {
		return fail(stderr, exitError, fmt.Errorf("join: %w", err))
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("join: %w (see dkvmanager --help)", err))
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if err := o.join(ctx, log); err != nil {
		return fail(stderr, exitError, fmt.Errorf("join: %w", err))
	}
	if o.noServe {
		return exitOK
	}
	if err := manage(ctx, o.options, log); err != nil {
		return fail(stderr, exitError, err)
	}
	return exitOK
}

func parseJoin(ctx context.Context, args []string, stdin io.Reader) (*joinOptions, error) {
	set := newFlagSet("dkvmanager join")
	o := &joinOptions{}
	set.BoolVar(&o.again, "again", false, "")
	set.BoolVar(&o.noServe, "no-serve", false, "")
	file := set.String("token-file", "", "")
	var err error
	if o.options, err = parseOptions(set, args); err != nil {
		return nil, err
	}
	names := o.arguments
	text := ""
	switch {
	case len(names) == 2 && *file == "":
		text = names[1]
	case len(names) == 1 && *file != "":
		content, err := identity.ReadSecret(*file)
		if err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		text = strings.TrimSpace(string(content))
	case len(names) == 1:
		return nil, errors.New("the token is missing: join ADDRESS TOKEN, where TOKEN is dkv1-… or - for standard input, " +
			"or join ADDRESS --token-file FILE")
	default:
		return nil, fmt.Errorf("want join ADDRESS TOKEN, got %d arguments: dkvmanager init and dkvmanager token print the line", len(names))
	}
	if text == "-" {
		line, err := input(ctx, func() (string, error) {
			return bufio.NewReader(io.LimitReader(stdin, 4<<10)).ReadString('\n')
		})
		if errors.Is(err, errInterrupted) {
			return nil, err
		}
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("the token can't be read from standard input: %w", err)
		}
		if text = strings.TrimSpace(line); text == "" {
			return nil, errors.New("standard input is empty: - reads the token from its first line")
		}
	}
	if o.token, err = access.ParseJoinToken(text); err != nil {
		return nil, err
	}
	o.address, err = joinAddress(names[0])
	return o, err
}

// joinAddress returns the HOST:PORT of a manager that was given as HOST, HOST:PORT or an https URL.
func joinAddress(text string) (string, error) {
	address := strings.TrimPrefix(text, "https://")
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), strconv.Itoa(wire.DefaultManagerPort))
	}
	if err := wire.CheckURL("https://" + address); err != nil {
		return "", fmt.Errorf("%q is not the address of a manager, for example 10.0.0.11:%d", text, wire.DefaultManagerPort)
	}
	return address, nil
}

// join gets the certificate of this server's issuer and writes the keys.
func (o *joinOptions) join(ctx context.Context, log *slog.Logger) (err error) {
	cat, err := openCatalog(o.dataDir)
	if err != nil {
		return err
	}
	defer cat.Close()
	defer func() { err = o.discard(cat.Dir(), err) }()
	secured, err := security.IsSecured(cat.Dir())
	if security.IsUnfinished(err, "join") {
		err = nil
	}
	var lost *security.LostKeysError
	switch {
	case errors.As(err, &lost) && !o.again: // joining gives the manager new keys
	case err != nil && !errors.As(err, &lost):
		return err
	case secured && !o.again:
		return fmt.Errorf("the manager of %s is secured already: dkvmanager pki status --data-dir %s shows its cluster; "+
			"dkvmanager --data-dir %s … starts it; join --again gives it a new certificate", o.dataDir, o.dataDir, o.dataDir)
	case !secured && o.again:
		return fmt.Errorf("the manager of %s is not secured: join without --again", o.dataDir)
	}
	if !secured && lost == nil {
		if err := o.checkInstances(cat.Dir()); err != nil {
			return err
		}
	}
	j, err := security.BeginJoin(cat.Dir(), cat.Identity(), o.token, o.again)
	if err != nil {
		return err
	}
	request, err := j.Request(o.url())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	answer, err := askToJoin(ctx, o.host.Bind, o.address, o.token.Root, request)
	if err != nil {
		return err
	}
	if err := j.Complete(answer, "https://"+o.address, time.Now()); err != nil {
		return err
	}
	log.Info("joined", "cluster", answer.Cluster, "manager", cat.Identity())
	return nil
}

// askToJoin sends a request to join over one connection, after it has checked that the other end is a manager of the
// cluster whose root the token names, and that the clocks agree.
func askToJoin(
	ctx context.Context, bind, address string, root identity.KeyHash, r wire.Join,
) (answer wire.Joined, err error) {
	raw, err := hostid.Dialer(bind).DialContext(ctx, "tcp", address)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return answer, fmt.Errorf("nothing listens at %s: is dkvmanager running there, and is this its --listen address?", address)
	}
	if err != nil {
		return answer, fmt.Errorf("%s can't be reached: %w", address, err)
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	var badTime *identity.Error
	conn := tls.Client(raw, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		ServerName:         identity.ServerName,
		InsecureSkipVerify: true, // VerifyConnection checks the chain
		VerifyConnection: func(state tls.ConnectionState) error {
			err := checkServer(state.PeerCertificates, root)
			if errors.As(err, &badTime) && (badTime.Problem == identity.NotYetValid || badTime.Problem == identity.Expired) {
				return nil // nothing secret is sent: only the time is asked
			}
			badTime = nil
			return err
		},
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return answer, handshakeError(address, err)
	}
	e := joinConn{conn, bufio.NewReader(io.LimitReader(conn, maxJoinReply)), address}
	peerNow, err := e.time()
	switch {
	case badTime != nil && err == nil:
		return answer, badTime.WithPeerTime(peerNow)
	case badTime != nil:
		return answer, badTime
	case err != nil:
		return answer, err
	}
	now := time.Now()
	if apart := now.Sub(peerNow).Abs(); apart > maxClockSkew {
		return answer, fmt.Errorf("the clock of %s says %s, the clock here says %s: set the wrong one, and join again",
			address, peerNow.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime))
	}
	return e.join(r)
}

// checkServer refuses a chain that is not that of a manager below the root that the token names.
func checkServer(chain []*x509.Certificate, hash identity.KeyHash) error {
	root, err := identity.RootByHash(chain, hash)
	if err != nil {
		return err
	}
	p := identity.Policy{Roots: []*x509.Certificate{root}, Kinds: []identity.Kind{identity.Manager}, Now: time.Now}
	_, err = p.Admit(chain)
	return err
}

// handshakeError says why no TLS connection came up.
func handshakeError(address string, err error) error {
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) {
		return fmt.Errorf("%s does not speak TLS: it is not a secured manager, and a server can only join one", address)
	}
	return fmt.Errorf("%s can't be trusted, and the token was not sent: %w", address, err)
}

// joinConn is one connection to a manager.
type joinConn struct {
	net.Conn
	from    *bufio.Reader
	address string
}

// time returns the time of the other end.
func (e joinConn) time() (time.Time, error) {
	header, _, err := e.call(http.MethodGet, wire.HealthPath(), nil, new(wire.Result))
	if err != nil {
		return time.Time{}, err
	}
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is no manager: its answer has no date", e.address)
	}
	return at, nil
}

// join sends the request to join.
func (e joinConn) join(r wire.Join) (answer wire.Joined, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return answer, err
	}
	_, status, err := e.call(http.MethodPost, wire.JoinPath(), body, &answer)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answers with status %d", e.address, status)
	}
	return answer, err
}

// call makes a request and decodes the answer. A refusal is an error.
func (e joinConn) call(method, path string, body []byte, into any) (http.Header, int, error) {
	r, err := http.NewRequest(method, "https://"+e.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	if err := r.Write(e.Conn); err != nil {
		return nil, 0, fmt.Errorf("%s broke off the connection: %w", e.address, err)
	}
	answer, err := http.ReadResponse(e.from, r)
	if err != nil {
		return nil, 0, fmt.Errorf("no answer of %s: %w; run the same line again", e.address, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxJoined+1))
	if err != nil || len(text) > maxJoined {
		return nil, 0, fmt.Errorf("%s broke off its answer, or it is too long: run the same line again", e.address)
	}
	if answer.StatusCode != http.StatusOK {
		var refusal wire.Result
		if json.Unmarshal(text, &refusal) != nil || refusal.Message == "" {
			return nil, 0, fmt.Errorf("%s answers with status %d", e.address, answer.StatusCode)
		}
		return nil, 0, fmt.Errorf("%s refuses: %s", e.address, oneLine(refusal.Error()))
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, 0, fmt.Errorf("%s answers with something that is not of the admin API: %w", e.address, err)
	}
	return answer.Header, answer.StatusCode, nil
}

// joinLine returns the line that lets other servers join.
func joinLine(url, token string) string {
	return "dkvmanager join " + strings.TrimPrefix(url, "https://") + " " + token
}

// oneLine returns a text of another manager for a terminal: printable characters in one line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
