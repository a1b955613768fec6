package access

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
	"dkvrun/runtime/access"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

var GrantAccess = runtime.Builtin{
	Name: "grant_access", Group: "Access",
	Doc: "Makes a credential and writes it to a file that only its owner may read: for a user or a job, with a role at the managers (`name`, `role`), or for " +
		"an application of one store (`app`, `store`). It ends the earlier credential of the same name. The key is made on this machine and stays in the file; the " +
		"change is signed with the key of the admin whose certificate this run uses. One manager writes it to disk, and the others take it within seconds; " +
		"the rows say which have it. If the run is interrupted, the same call completes it or begins anew.",
	Params: params.Join([]runtime.Param{
		{Name: "name", Type: runtime.String, Check: params.Check(wire.CheckName), Doc: "the user or job, such as `ci`"},
		{Name: "role", Type: runtime.String,
			Enum: []string{string(identity.Viewer), string(identity.Operator), string(identity.Admin)},
			Doc:  "what it may do: a viewer reads, an operator also starts, stops, restarts and repairs, an admin changes topologies and access as well"},
		{Name: "app", Type: runtime.String, Check: params.Check(wire.CheckName), Doc: "the application, such as `web`, instead of `name` and `role`"},
		{Name: "store", Type: runtime.String, Check: params.Check(wire.CheckName), Doc: "the store that the application uses"},
		{Name: "read_only", Type: runtime.Boolean, Default: false, Doc: "the application may only read"},
		{Name: "token", Type: runtime.Boolean, Default: false,
			Doc: "make a bearer token for the user instead of a certificate; unlike a certificate it ends no earlier one"},
		{Name: "ttl", Type: runtime.Any, Default: "720h", Check: checkTTL,
			Doc: "how long it is valid: seconds, or a text with a unit as in `\"720h\"`; from one minute to ten years"},
		{Name: "out", Type: runtime.String, Required: true, Check: params.Check(checkPath), Doc: "the file, which must not exist"},
	}, changeParams()),
	Returns:    "results: one GrantAccess row per manager",
	ReturnType: "results",
	Example: `local ok, err = pcall(grant_access, {name = "ci", role = "operator", ttl = "24h", out = "ci.pem"})
print(ok, err) -- it raises where the managers are not secured`,
	Impl: grantAccess,
}

// codeFileExists is the code of a grant whose file exists.
const codeFileExists = "file_exists"

func checkPath(path string) error {
	if path == "" {
		return errors.New("is empty: name the file for the credential")
	}
	return nil
}

// checkTTL refuses a lifetime that no certificate has.
func checkTTL(v any) error {
	_, err := lifetime(v)
	return err
}

// lifetime returns the duration that a parameter gives: seconds, or a text with units.
func lifetime(v any) (time.Duration, error) {
	var d time.Duration
	switch v := v.(type) {
	case int:
		d = time.Duration(v) * time.Second
		if v > wire.MaxCertificateSeconds {
			d = 0
		}
	case float64:
		if v <= wire.MaxCertificateSeconds {
			d = params.Seconds(v)
		}
	case string:
		var err error
		if d, err = time.ParseDuration(v); err != nil {
			return 0, fmt.Errorf("got %.40q, want seconds, or a text with a unit as in \"720h\"", v)
		}
	default:
		return 0, errors.New("want seconds, or a text with a unit as in \"720h\"")
	}
	if d < wire.MinCertificateSeconds*time.Second || d > wire.MaxCertificateSeconds*time.Second {
		return 0, fmt.Errorf("want one minute to ten years: 60 to %d seconds, or \"1m\" to \"%dh\"", wire.MaxCertificateSeconds,
			wire.MaxCertificateSeconds/3600)
	}
	return d, nil
}

// grant is a credential that is to be made.
type grant struct {
	*change
	id       identity.Identity
	role     identity.Role
	lifetime time.Duration
	bearer   bool
	out      string
}

// unfinished is the file of a credential until it is known that a manager has its line: it is kept over a crash.
func (g *grant) unfinished() string { return g.out + ".unfinished" }

func grantAccess(c *runtime.Call) (any, error) {
	if err := run.Of(c).MayAct(c); err != nil {
		return nil, err
	}
	g, err := readGrant(c)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(g.out); err == nil {
		return nil, g.exists(c)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, c.Misuse("out", "%v", err)
	}
	if g.change, err = begin(c); err != nil {
		return nil, err
	}
	g.id.Cluster = g.cluster
	if err := g.id.Check(); err != nil {
		return nil, c.Misuse(cmp.Or(map[bool]string{true: "app"}[g.id.Kind == identity.App], "name"), "%v", err)
	}
	what := fmt.Sprintf("%s is %s until %s", g.id.Describe(), g.role, time.Now().Add(g.lifetime).UTC().Format("2006-01-02 15:04 UTC"))
	if err := g.check(g.log.State()); err != nil {
		return nil, err
	}
	if g.r.Planning(c) {
		return g.finish("GrantAccess", "Would write "+g.out+": "+what, nil)
	}
	e, err := g.make()
	if err != nil {
		return nil, err
	}
	if err := durable.Publish(g.unfinished(), g.out); errors.Is(err, fs.ErrExist) {
		return nil, g.exists(c)
	} else if err != nil {
		return nil, c.Errorf("file", "%s: %v", c.Name, err)
	}
	return g.finish("GrantAccess", what, e)
}

// exists is the error for a file that exists.
func (g *grant) exists(c *runtime.Call) error {
	return c.Errorf(codeFileExists, "%s: %s exists: name a new file, or move it away", c.Name, g.out)
}

// readGrant reads the arguments.
func readGrant(c *runtime.Call) (*grant, error) {
	g := &grant{bearer: c.Bool("token"), out: c.String("out")}
	var err error
	if g.lifetime, err = lifetime(c.Value("ttl")); err != nil {
		return nil, c.Misuse("ttl", "%v", err)
	}
	switch {
	case c.Has("app") && (c.Has("name") || c.Has("role") || g.bearer):
		return nil, c.Misuse("app", "is for an application: leave name, role and token out")
	case c.Has("app") && !c.Has("store"):
		return nil, c.Misuse("store", "is missing: name the store that the application uses")
	case c.Has("app"):
		g.id, g.role = identity.Identity{Kind: identity.App, Store: c.String("store"), Name: c.String("app")}, identity.AppRole
		if c.Bool("read_only") {
			g.role = identity.ReadOnlyApp
		}
	case !c.Has("name"):
		return nil, c.Misuse("name", "is missing: name a user or job, or an application with app and store")
	case !c.Has("role"):
		return nil, c.Misuse("role", "is missing: viewer, operator or admin")
	case c.Has("store") || c.Bool("read_only"):
		return nil, c.Misuse("store", "store and read_only are for applications: name one with app")
	default:
		g.id, g.role = identity.Identity{Kind: identity.User, Name: c.String("name")}, identity.Role(c.String("role"))
	}
	return g, nil
}

// check refuses a grant that would leave the cluster without an admin, or take the role from the admin that signs it.
func (g *grant) check(s *access.State) error {
	if g.bearer || g.role == identity.Admin {
		return nil
	}
	return g.checkAdmins(s, func(old access.GrantState) bool { return old.Identity == g.id })
}

// make makes the credential, writes it beside its file, and lets a manager take its line, which it returns: nil if an
// interrupted run had done all that.
func (g *grant) make() (*access.Entry, error) {
	if done, err := g.resume(); done || err != nil {
		return nil, err
	}
	b, line, err := g.credential()
	if err != nil {
		return nil, err
	}
	if err := b.Save(g.unfinished()); err != nil {
		return nil, g.c.Misuse("out", "%v", err)
	}
	e, err := g.write(func(s *access.State) (*access.Entry, error) {
		if len(b.Chain) > 1 && !s.IsOfNewest(b.Chain[1]) {
			return nil, g.tooOld()
		}
		wanted := line
		return &wanted, g.check(s)
	})
	var failed *runtime.Error
	if errors.As(err, &failed) && failed.InDoubt {
		failed.Hint = fmt.Sprintf("a manager may have taken it; the same call, made again, completes it: %s keeps the credential", g.unfinished())
		return nil, err
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(g.unfinished()))
	}
	return e, nil
}

// tooOld is the error for a certificate that was made just before another authority was added: it would count nothing
// when the earlier one is retired.
func (g *grant) tooOld() error {
	err := g.c.Errorf(wire.CodeNoAuthority, "%s: the authority is being replaced, and the new one does not vouch for the certificate", g.c.Name)
	err.Hint = "nothing was granted: make the call again"
	return err
}

// resume looks for what an interrupted run has left. It reports whether the credential there is the one that the access
// log grants. Another one is removed: nobody has granted it anything.
func (g *grant) resume() (bool, error) {
	b, err := identity.Load(g.unfinished())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, g.c.Errorf(codeFileExists, "%s: %v: move it away", g.c.Name, err)
	}
	if b.Cluster != g.cluster {
		return false, g.c.Errorf(codeFileExists, "%s: %s is for cluster %s: move it away", g.c.Name, g.unfinished(), b.Cluster)
	}
	s := g.log.State()
	if b.Token != "" {
		token, err := access.ParseBearerToken(b.Token)
		if err != nil {
			return false, err
		}
		granted, is := s.Bearers[token.Hash()]
		if is && g.bearer && granted.Identity == g.id && granted.Role == g.role {
			return true, nil
		}
	} else if !g.bearer {
		granted := s.Grants[g.id.String()]
		if granted.Role == g.role && granted.Serial == access.Serial(b.Chain[0].SerialNumber) {
			return true, nil
		}
	}
	return false, os.Remove(g.unfinished())
}

// credential makes the credential and the line that gives it its role.
func (g *grant) credential() (*identity.Bundle, access.Entry, error) {
	if g.bearer {
		token, err := access.NewBearerToken()
		if err != nil {
			return nil, access.Entry{}, err
		}
		b := &identity.Bundle{Token: token.Text(), Roots: g.signer.Roots, Cluster: g.cluster}
		return b, access.Entry{Kind: access.Bearer, Subject: g.id.String(), Role: g.role, Of: token.Hash(),
			Expires: time.Now().Add(g.lifetime)}, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, access.Entry{}, err
	}
	made, err := g.certificate(key)
	if err != nil {
		return nil, access.Entry{}, err
	}
	b, err := g.bundle(made, key)
	if err != nil {
		return nil, access.Entry{}, g.c.Errorf(codeOtherLog, "%s: the certificate that the manager has made can't be used: %v", g.c.Name, err)
	}
	line, err := access.GrantTo(b.Chain[0], g.role)
	return b, line, err
}

// certificate has a certificate made: of a user by the manager whose server holds the authority, of an application by
// any.
func (g *grant) certificate(key *ecdsa.PrivateKey) (*wire.MadeCertificate, error) {
	request, err := identity.NewRequest(key)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(wire.MakeCertificate{
		Identity: g.id.String(), Request: string(request), Seconds: int(g.lifetime / time.Second),
	})
	if err != nil {
		return nil, err
	}
	from := g.writers()
	if g.id.Kind == identity.User {
		holder, err := g.holder()
		if err != nil {
			return nil, err
		}
		from = from[:1]
		from[0] = holder
	}
	var failed error
	for _, m := range from {
		answer, err := g.r.Caller(g.c).Post(g.c.Context(), m, wire.MakeCertificatePath(), body, "MakeCertificate")
		if err != nil {
			return nil, err
		}
		made := &wire.MadeCertificate{}
		if answer.Row.Success {
			// Not by answer.Decode, which makes texts safe to show and would change PEM.
			if wire.DecodeAnswer(answer.Answer.Body, made) == nil {
				return made, nil
			}
			answer.Row = answer.Unreadable()
		}
		if failed == nil || answer.Answer.Err == nil {
			failed = &rowError{answer.Row}
		}
		if answer.Answer.Err == nil && answer.Row.Code != wire.CodeNoAuthority {
			break // a refusal: others would refuse as well
		}
	}
	return nil, g.raise(failed)
}

// bundle checks what a manager has made, and returns the credential. Of the roots it keeps those that the access log,
// which is verified, trusts.
func (g *grant) bundle(made *wire.MadeCertificate, key *ecdsa.PrivateKey) (*identity.Bundle, error) {
	chain, err := identity.DecodeChain([]byte(made.Certificate))
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(chain[0].PublicKey) {
		return nil, errors.New("it is for another key")
	}
	shown, err := identity.DecodeRoots([]byte(made.Roots))
	if err != nil {
		return nil, fmt.Errorf("its list of authorities %w", err)
	}
	var roots []*x509.Certificate
	for _, c := range shown {
		if g.log.State().Roots[access.Hash(identity.HashKey(c))] != nil {
			roots = append(roots, c)
		}
	}
	id, err := identity.Verify(chain, roots, time.Now())
	if err != nil {
		return nil, err
	}
	if id != g.id {
		return nil, fmt.Errorf("it is for %s", id.Describe())
	}
	return &identity.Bundle{Chain: chain, Key: key, Roots: roots, Cluster: g.cluster}, nil
}
