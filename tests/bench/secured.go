package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"dkvrun/runtime/fakemanager"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

const (
	securedManagers = 1000
	securedRuns     = 5
	// furtherQueries are made over the connections of the first one.
	furtherQueries = 5
)

// secured measures a query of managers that speak TLS and check the client's certificate: by itself, with all
// handshakes, and further queries over the same connections. curl gets the same certificates.
func secured(ctx context.Context, p *programs, r *report) (err error) {
	folder, err := os.MkdirTemp("", "dkvrun-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	plan := fakemanager.Plan{Count: securedManagers, Credential: filepath.Join(folder, "credential.pem")}
	f, err := fakemanager.Start(ctx, p.managers, plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	list, err := writeSecured(folder, plan)
	if err != nil {
		return err
	}
	query := func(times int) []string {
		script := fmt.Sprintf("local n for _ = 1, %d do n = #get_store() end return n", times)
		return []string{p.dkvrun, "-q", "--credential", plan.Credential, "-m", "@" + list, "-e", script}
	}
	var cold, warm, curl []usage
	for i := range securedRuns + 1 {
		one, err := measureAnswers(ctx, query(1))
		if err != nil {
			return err
		}
		many, err := measureAnswers(ctx, query(1+furtherQueries))
		if err != nil {
			return err
		}
		peer := usage{}
		if p.curl != "" {
			if peer, err = measure(ctx, "", p.curl, "--silent", "--fail", "--no-progress-meter", "--parallel", "--parallel-max", "300",
				"--cert", plan.Credential, "--cacert", list+".roots", "--config", list+".curl"); err != nil {
				return err
			}
		}
		if i == 0 { // the first run loads the files into the page cache
			continue
		}
		cold, curl = append(cold, one), append(curl, peer)
		warm = append(warm, usage{wall: (many.wall - one.wall) / furtherQueries, cpu: (many.cpu - one.cpu) / furtherQueries})
	}
	title := fmt.Sprintf("%d secured managers", securedManagers)
	r.add(title+": dkvrun, wall", "ms", column(cold, wallOf), 0)
	r.add(title+": dkvrun, CPU of a manager", "ms", perManager(cold), 0)
	r.add(title+": a further query, wall", "ms", column(warm, wallOf), 0)
	r.add(title+": a further query, CPU of a manager", "ms", perManager(warm), 0)
	if p.curl != "" {
		r.add(title+": dkvrun / curl --parallel, wall", "x", ratios(cold, curl, wallOf), peerRatio)
		r.add(title+": dkvrun / curl --parallel, CPU", "x", ratios(cold, curl, cpuOf), peerRatio)
	}
	return nil
}

func measureAnswers(ctx context.Context, command []string) (usage, error) {
	u, err := measure(ctx, "", command...)
	if err == nil && u.output != strconv.Itoa(securedManagers) {
		err = fmt.Errorf("dkvrun reports %q answers of %d managers", u.output, securedManagers)
	}
	return u, err
}

func perManager(all []usage) []float64 {
	out := column(all, cpuOf)
	for i := range out {
		out[i] /= securedManagers
	}
	return out
}

// writeSecured writes a file with the addresses, and for curl the URLs and the authority's certificate.
func writeSecured(folder string, plan fakemanager.Plan) (string, error) {
	list, err := writeList(folder, plan.Addresses())
	if err != nil {
		return "", err
	}
	var urls strings.Builder
	for _, a := range plan.Addresses() {
		fmt.Fprintf(&urls, "url = \"https://%s%s\"\noutput = /dev/null\n", a, wire.StoresPath())
	}
	credential, err := identity.Load(plan.Credential)
	if err != nil {
		return "", err
	}
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: credential.Roots[0].Raw})
	return list, errors.Join(os.WriteFile(list+".roots", root, 0o600), os.WriteFile(list+".curl", []byte(urls.String()), 0o600))
}
