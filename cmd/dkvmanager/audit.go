package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/wire"
)

// heardCommand is the command over the control socket that asks other managers what they remember of this one's audit
// log.
const heardCommand = "heard"

// heardAt is what another manager remembers of this one's audit log.
type heardAt struct {
	Manager string           `json:"manager"` // its identity
	URL     string           `json:"url"`
	Heard   *wire.AuditHeard `json:"heard,omitempty"` // nil if it remembers nothing
	Error   string           `json:"error,omitempty"` // why it doesn't say
}

// heardOf asks all other managers what they remember of this one's audit log.
func (p *puller) heardOf(ctx context.Context) []heardAt {
	others := p.others()
	out := make([]heardAt, len(others))
	slots := make(chan struct{}, maxPulls)
	var all sync.WaitGroup
	for i, other := range others {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i] = heardAt{Manager: other.Identity, URL: other.URL}
			sender, answer, err := p.access(ctx, other.URL, url.Values{"audit": {p.member.Identity().Name}})
			if err == nil && sender != other.Identity {
				err = fmt.Errorf("manager %.64q answers there", sender)
			}
			if err != nil {
				out[i].Error = err.Error()
				return
			}
			out[i].Heard = answer.Heard
		})
	}
	all.Wait()
	return out
}

// auditCommand is the checked command line of dkvmanager audit.
type auditCommand struct {
	verify  bool
	dataDir string
	who     string
	store   string
	action  string
	since   time.Time
	last    int
	none    bool // audit show has found no line
}

func parseAudit(args []string) (*auditCommand, error) {
	set := newFlagSet("dkvmanager audit")
	c := &auditCommand{}
	set.StringVar(&c.dataDir, "data-dir", "", "")
	set.StringVar(&c.who, "who", "", "")
	set.StringVar(&c.store, "store", "", "")
	set.StringVar(&c.action, "action", "", "")
	since := set.String("since", "", "")
	set.IntVar(&c.last, "last", 0, "")
	names, err := parseMixed(set, args)
	if err != nil {
		return nil, err
	}
	if len(names) != 1 || names[0] != "show" && names[0] != "verify" {
		return nil, errors.New("want audit show or audit verify")
	}
	c.verify = names[0] == "verify"
	if c.verify && set.NFlag() > 1 {
		return nil, errors.New("audit verify checks all lines: it takes --data-dir alone")
	}
	if c.dataDir == "" {
		return nil, errors.New("--data-dir DIR is missing: name the folder that the manager of this server was started with")
	}
	if c.last < 0 {
		return nil, fmt.Errorf("--last %d: want a number of lines", c.last)
	}
	if *since != "" {
		if c.since, err = parseSince(*since, time.Now()); err != nil {
			return nil, fmt.Errorf("--since: %w", err)
		}
	}
	return c, nil
}

// parseSince reads a time, or how long ago it is.
func parseSince(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("got %.40q, want a time such as 2026-11-30T18:00:00Z, or how long ago, such as 24h", text)
}

func runAudit(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseAudit(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("audit: %w (see dkvmanager --help)", err))
	}
	run := c.show
	if c.verify {
		run = c.check
	}
	if err := run(ctx, stdout); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: a manager keeps an audit log from its first start as a secured one", err)
		}
		return fail(stderr, exitError, err)
	}
	if c.none {
		fmt.Fprintf(stderr, "dkvmanager: audit show: the audit log of %s has no line that fits\n", c.dataDir)
	}
	return exitOK
}

// counted returns a number followed by its noun, in the singular or the plural.
func counted[N int | int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// show prints the lines that the filters take, as they are in the log.
func (c *auditCommand) show(_ context.Context, stdout io.Writer) error {
	var kept []string
	report, err := audit.Read(c.dataDir, func(line audit.Line, text []byte) {
		if !c.takes(line) {
			return
		}
		kept = append(kept, string(text))
		if c.last > 0 && len(kept) > c.last {
			kept = slices.Delete(kept, 0, len(kept)-c.last)
		}
	})
	if err != nil {
		return err
	}
	c.none = len(kept) == 0
	for _, line := range kept {
		if _, err := fmt.Fprintln(stdout, oneLine(line)); err != nil {
			return err
		}
	}
	if len(report.Problems) > 0 {
		return fmt.Errorf("the audit log is not as it was written: dkvmanager audit verify says where")
	}
	return nil
}

func (c *auditCommand) takes(line audit.Line) bool {
	action, _, _ := strings.Cut(line.Action, ":")
	return (c.who == "" || line.Who == c.who || strings.HasSuffix(line.Who, "/"+c.who)) &&
		(c.store == "" || line.Store == c.store) && (c.action == "" || strings.EqualFold(action, c.action)) &&
		!line.Time.Before(c.since)
}

// check prints what the log has, where it is not as it was written, and what other managers remember of it.
func (c *auditCommand) check(ctx context.Context, stdout io.Writer) error {
	// First what others remember: lines that are added meanwhile do not matter then.
	others, asking := c.others(ctx)
	hashes := map[int64]string{}
	report, err := audit.Read(c.dataDir, func(line audit.Line, text []byte) { hashes[line.Number] = audit.Hash(text) })
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s in %s, from %d to %d; the last one has the hash\n%s\n",
		counted(report.Lines, "line"), counted(report.Files, "file"),
		report.First, report.Last.Number, report.Last.Hash)
	for _, note := range report.Notes {
		fmt.Fprintln(stdout, "note: "+note)
	}
	if asking != nil {
		fmt.Fprintf(stdout, "note: other managers were not asked: %v\n", asking)
	}
	problems := report.Problems
	for _, other := range others {
		problem, note := compareHeard(report, hashes, other)
		if problem != "" {
			problems = append(problems, problem)
		} else {
			fmt.Fprintln(stdout, "note: "+note)
		}
	}
	for _, p := range problems {
		fmt.Fprintln(stdout, "problem: "+oneLine(p))
	}
	if len(problems) > 0 {
		return fmt.Errorf("the audit log of %s is not as it was written: %s", c.dataDir, counted(len(problems), "problem"))
	}
	_, err = fmt.Fprintln(stdout, "ok")
	return err
}

// others asks other managers what they remember, through the manager of the data folder if it serves.
func (c *auditCommand) others(ctx context.Context) ([]heardAt, error) {
	if _, err := os.Stat(c.dataDir); err != nil {
		return nil, err
	}
	if secured, err := security.IsSecured(c.dataDir); err != nil || !secured {
		return nil, errors.Join(err, errors.New("the manager is not secured"))
	}
	text, err := control(ctx, c.dataDir, controlRequest{Command: heardCommand})
	if err != nil {
		return nil, err
	}
	var out []heardAt
	err = json.Unmarshal([]byte(text), &out)
	return out, err
}

// compareHeard compares what another manager remembers with the log. It returns a problem, or a note.
func compareHeard(report audit.Report, hashes map[int64]string, other heardAt) (problem, note string) {
	who := fmt.Sprintf("manager %s at %s", other.Manager, other.URL)
	if other.Error != "" {
		return "", fmt.Sprintf("%s does not say what it remembers: %s", who, oneLine(other.Error))
	}
	if other.Heard == nil {
		return "", who + " remembers nothing of this log"
	}
	for _, head := range []*wire.AuditHead{other.Heard.Lost, &other.Heard.Head} {
		switch {
		case head == nil || head.Number == 0 || head.Number < report.First:
		case head.Number > report.Last.Number:
			return fmt.Sprintf("%s remembers line %d, and the log ends with line %d", who, head.Number, report.Last.Number), ""
		case hashes[head.Number] != "" && hashes[head.Number] != head.Hash:
			return fmt.Sprintf("%s remembers another line %d, with the hash %.64s", who, head.Number, head.Hash), ""
		}
	}
	return "", fmt.Sprintf("%s remembers line %d, which agrees", who, other.Heard.Head.Number)
}
