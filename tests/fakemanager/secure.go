package main

import (
	"crypto/tls"
	"net"
	"time"

	"dkvrun/runtime/fakemanager"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/identity/identitytest"
)

// cluster is the cluster of fake managers with TLS.
const cluster = "fake"

// secure makes certificates for the managers of a plan, and writes the credential of an admin. As real managers, each
// has an issuer of its own and checks the client's certificate.
func secure(plan fakemanager.Plan) (func(int) *tls.Config, error) {
	authority, err := identitytest.New(cluster)
	if err != nil {
		return nil, err
	}
	admin, err := authority.Bundle(identitytest.Leaf{
		Identity: identity.Identity{Kind: identity.User, Cluster: cluster, Name: "admin"},
	})
	if err != nil {
		return nil, err
	}
	configs := make([]*tls.Config, plan.Count)
	for i := range configs {
		host, _, err := net.SplitHostPort(plan.Address(i))
		if err != nil {
			return nil, err
		}
		b, err := authority.Bundle(identitytest.Leaf{Host: host,
			Identity: identity.Identity{Kind: identity.Manager, Cluster: cluster, Name: plan.Identity(i)}})
		if err != nil {
			return nil, err
		}
		shown, policy := b.TLS(true), b.Policy(time.Now)
		configs[i] = identity.Server{
			Certificate:   func() (*tls.Certificate, error) { return shown, nil },
			Policy:        func() *identity.Policy { return policy },
			RequireClient: true,
			Protocols:     []string{"http/1.1"},
		}.Config()
	}
	return func(i int) *tls.Config { return configs[i] }, admin.Save(plan.Credential)
}
