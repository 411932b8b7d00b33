package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// ByCertificate lists the clients that are known by their certificate.
type ByCertificate struct {
	Roots   []byte // PEM certificates that clients' must come from
	Clients []CertificateClient
}

// CertificateClient is a client and the one name in its certificate that it is known by: exactly one of URI, DNS, Email and
// Subject is given.
type CertificateClient struct {
	ID      string
	Tenant  string
	Roles   []string
	URI     string // a subject alternative name, such as spiffe://corp/search
	DNS     string // a subject alternative name
	Email   string // a subject alternative name
	Subject string // the whole subject, as RFC 2253 writes it: CN=search,O=corp
}

// certificates knows the clients of one generation by their certificates.
type certificates struct {
	roots  *x509.CertPool
	names  map[string]*certificateClient
	byName map[string]*certificateClient // by the client's id

	mu     sync.Mutex
	recent map[[sha256.Size]byte]*exchange.Principal // certificates that were found good, by the digest of the leaf
}

type certificateClient struct {
	CertificateClient
	credential string
}

// name is how the certificate's name is looked up: its kind and itself.
func (c *CertificateClient) name() string {
	switch {
	case c.URI != "":
		return "uri " + c.URI
	case c.DNS != "":
		return "dns " + c.DNS
	case c.Email != "":
		return "email " + c.Email
	default:
		return "subject " + c.Subject
	}
}

// newCertificates makes what knows the clients; nil where none is configured.
func newCertificates(o *ByCertificate) (*certificates, error) {
	if o == nil {
		return nil, nil
	}
	c := &certificates{roots: x509.NewCertPool(), names: map[string]*certificateClient{}, byName: map[string]*certificateClient{}}
	if !c.roots.AppendCertsFromPEM(o.Roots) {
		return nil, errors.New("auth: no certificate in the PEM text that clients' certificates must come from")
	}
	roots := sha256.Sum256(o.Roots)
	for _, client := range o.Clients {
		name := client.name()
		if client.ID == "" || client.Tenant == "" || name == "subject " {
			return nil, fmt.Errorf("auth: client %q needs an id, a tenant, and a name in its certificate", client.ID)
		}
		if c.names[name] != nil || c.byName[client.ID] != nil {
			return nil, fmt.Errorf("auth: client %q is given twice", client.ID)
		}
		// The digest is part of the name: a client who is known by another name or authority is another credential.
		digest := sha256.Sum256(append(roots[:], name...))
		entry := &certificateClient{client, "mtls:" + client.ID + "#" + hex.EncodeToString(digest[:8])}
		c.names[name], c.byName[client.ID] = entry, entry
	}
	return c, nil
}

// maxCertificates bounds how many certificates are remembered.
const maxCertificates = 1024

// principal gives whom a chain of certificates stands for, leaf first. Whoever holds the connection has proved to have the
// leaf's key.
func (c *certificates) principal(chain []*x509.Certificate, now time.Time) (*exchange.Principal, error) {
	leaf, digest := chain[0], sha256.Sum256(chain[0].Raw)
	c.mu.Lock()
	p := c.recent[digest]
	c.mu.Unlock()
	if p != nil && now.Before(p.Expires) {
		return p, nil
	}
	expires, err := c.verify(chain, now)
	if err != nil {
		return nil, denied("the client certificate is not accepted; check that it is in date and from the right authority", err)
	}
	client, err := c.find(leaf)
	if err != nil {
		return nil, err
	}
	p = &exchange.Principal{
		ID: "mtls:" + client.ID, Tenant: client.Tenant, Roles: client.Roles, Method: "mtls", Credential: client.credential, Expires: expires,
	}
	c.remember(digest, p)
	return p, nil
}

// verify checks the chain, and tells when the first of its certificates expires.
func (c *certificates) verify(chain []*x509.Certificate, now time.Time) (time.Time, error) {
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	chains, err := chain[0].Verify(x509.VerifyOptions{
		Roots: c.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return time.Time{}, err
	}
	first := chains[0][0].NotAfter
	for _, cert := range chains[0] {
		if cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return first, nil
}

// find finds the one client that the certificate names. One that names two is nobody's.
func (c *certificates) find(leaf *x509.Certificate) (found *certificateClient, err error) {
	names := []string{"subject " + leaf.Subject.String()}
	for _, u := range leaf.URIs {
		names = append(names, "uri "+u.String())
	}
	for _, n := range leaf.DNSNames {
		names = append(names, "dns "+n)
	}
	for _, n := range leaf.EmailAddresses {
		names = append(names, "email "+n)
	}
	for _, name := range names {
		switch client := c.names[name]; {
		case client == nil || client == found:
		case found != nil:
			return nil, denied("the client certificate names two clients; it must name one", nil)
		default:
			found = client
		}
	}
	if found == nil {
		return nil, denied("the client certificate names no client that is known here; ask whoever runs the gateway", nil)
	}
	return found, nil
}

// remember keeps a certificate that was found good; when there is no room, any other goes.
func (c *certificates) remember(digest [sha256.Size]byte, p *exchange.Principal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recent == nil {
		c.recent = map[[sha256.Size]byte]*exchange.Principal{}
	}
	for other := range c.recent {
		if len(c.recent) < maxCertificates {
			break
		}
		delete(c.recent, other)
	}
	c.recent[digest] = p
}

// valid tells whether the client is still known by the same name and authority.
func (c *certificates) valid(p *exchange.Principal) bool {
	if c == nil {
		return false
	}
	for _, k := range c.byName {
		if k.credential == p.Credential {
			return k.Tenant == p.Tenant
		}
	}
	return false
}
