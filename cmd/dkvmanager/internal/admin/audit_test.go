package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/security/securitytest"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// On a full disk a change whose line has no room is refused and not made. Those that complete what others may have
// committed are made; the next line says that theirs is missing.
func TestAudit_FullDisk(t *testing.T) {
	if !storetest.Alone(t) {
		return
	}
	cluster := securitytest.New(t, "prod")
	all := callers(t, cluster)
	completed := 0
	for i, row := range matrix(cluster, all[len(all)-1].bundle) {
		if row.done == nil {
			continue
		}
		t.Run(row.method+" "+row.path, func(t *testing.T) {
			s := row.serve(t, cluster, fmt.Sprintf("127.58.5.%d:0", i+1))
			who := all[0]
			for _, each := range all {
				if row.allows(each) {
					who = each
				}
			}
			// The log becomes the largest file of the process, and the limit is its size.
			for range 40 {
				if err := s.api.Audit.Append(audit.Line{Action: "Fill", Reason: strings.Repeat("x", 4000)}); err != nil {
					t.Fatal(err)
				}
			}
			full, err := os.Stat(s.api.Audit.Path())
			if err != nil {
				t.Fatal(err)
			}
			r, _, _ := match(row.method, wire.Prefix+row.path)
			var body any
			if row.body != nil {
				body = row.body(s.harness)
			}
			c := client(t, who.bundle)
			path := wire.Prefix + row.path + strings.ReplaceAll(row.query, "SELF", s.catalog.Identity())
			heal := storetest.LimitFiles(t, uint64(full.Size()))
			status, text := s.call(c, who.token, row.method, path, body)
			heal()
			if !completing[r.action] {
				var refused wire.Result
				if err := json.Unmarshal(text, &refused); err != nil || refused.Code != wire.CodeReadOnly ||
					!strings.Contains(refused.Message, "the audit log "+s.api.Audit.Path()+" can't be written") ||
					r.action != "MakeCertificate" && row.done(s.harness) { // which leaves nothing but its line
					t.Errorf("it is done, or refused for another reason: %d %.300s", status, text)
				}
				return
			}
			completed++
			if status != http.StatusOK || !row.done(s.harness) {
				t.Errorf("it is refused: %d %.300s", status, text)
			}
			if err := s.api.Audit.Append(audit.Line{Action: "Next"}); err != nil {
				t.Fatal(err)
			}
			report, err := audit.Read(s.catalog.Dir(), nil)
			if err != nil || len(report.Problems) > 0 || len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "lines 41 to 41 could not be written") {
				t.Errorf("the log: %+v, %v", report, err)
			}
		})
	}
	if completed != len(completing) {
		t.Errorf("%d actions were completed, want %d", completed, len(completing))
	}
}

// A reason that no line of a log should have is refused, and nothing is done.
func TestAudit_BadReason(t *testing.T) {
	b := newHarness(t)
	cluster := securitytest.New(t, "prod")
	s := secure(t, b, cluster, "127.58.6.1:0")
	root := client(t, cluster.User("root", "admin"))
	if err := cluster.Tell(b.api.Member); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"%0a", "%1b%5b2J", strings.Repeat("x", wire.MaxReason+1), "%zz"} {
		status, text := s.callFor(bad, root, "", http.MethodDelete, wire.Prefix+"/stores/OrdersStore", nil)
		if status != http.StatusBadRequest || !strings.Contains(string(text), "header Dkv-Reason") {
			t.Errorf("%s: %d %s", bad, status, text)
		}
	}
	if head := b.api.Audit.Head(); head.Number != 0 {
		t.Errorf("the audit log has %d lines", head.Number)
	}
}

// Who has no right to change anything writes no line, however often he tries: the oldest lines would be lost.
func TestAudit_StrangersWriteNothing(t *testing.T) {
	cluster := securitytest.New(t, "prod")
	s := secure(t, newHarness(t), cluster, "127.58.6.2:0")
	stranger := client(t, nil)
	codes := map[string]int{}
	for range 3 * maxTries {
		join := wire.Join{Token: "x", Request: "y", Identity: "m-x", URL: "https://10.0.0.9:7801"}
		_, text := s.call(stranger, "", http.MethodPost, wire.Prefix+"/join", join)
		var refused wire.Result
		if err := json.Unmarshal(text, &refused); err != nil {
			t.Fatal(err)
		}
		codes[refused.Code]++
	}
	if codes[wire.CodeTokenRefused] != maxTries || codes[wire.CodeTooBusy] != 2*maxTries {
		t.Errorf("got %v", codes)
	}
	if head := s.api.Audit.Head(); head.Number != 0 {
		t.Errorf("the audit log has %d lines", head.Number)
	}
}

// Answers that managers and repairs read tell how the audit log ends, that of a change with its own line.
func TestAudit_HeadOnAnswers(t *testing.T) {
	cluster := securitytest.New(t, "prod")
	all := callers(t, cluster)
	seen := 0
	for i, row := range matrix(cluster, all[len(all)-1].bundle) {
		r, _, _ := match(row.method, wire.Prefix+row.path)
		if r.action != "Settle" && r.action != "Fence" && r.action != "Decide" && r.action != "GetState" && r.action != "GetAccess" {
			continue
		}
		seen++
		t.Run(r.action, func(t *testing.T) {
			s := row.serve(t, cluster, fmt.Sprintf("127.58.7.%d:0", i+1))
			var who caller
			for _, each := range all {
				if row.allows(each) {
					who = each
				}
			}
			var body any
			if row.body != nil {
				body = row.body(s.harness)
			}
			path := wire.Prefix + row.path + strings.ReplaceAll(row.query, "SELF", s.catalog.Identity())
			_, text := s.call(client(t, who.bundle), who.token, row.method, path, body)
			var answer struct{ Audit *wire.AuditHead }
			if err := json.Unmarshal(text, &answer); err != nil || answer.Audit == nil || *answer.Audit != s.api.Audit.Head() {
				t.Errorf("got %.300s, %v; the log ends with %+v", text, err, s.api.Audit.Head())
			}
			if changes := row.done != nil; changes != (s.api.Audit.Head().Number == 1) {
				t.Errorf("the log has %d lines", s.api.Audit.Head().Number)
			}
		})
	}
	if seen != 5 {
		t.Errorf("%d of the actions are in the matrix", seen)
	}
}
