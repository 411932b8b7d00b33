package control

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"sync"

	"github.com/sluicegate/sluice/runtime/certificate"
)

// pairStore keeps the certificates over generations: their files are looked at beside them, so that neither a policy that
// is at fault keeps a new certificate out, nor a certificate that is at fault a new policy.
type pairStore struct {
	mu    sync.Mutex
	pairs map[[2]string]*certificate.Pair // by the paths of certificate and key
}

// pair gives the certificate of a field, with cert and key as the configuration names them. One that is known stays as it
// is, also while its files are at fault: it says so itself.
func (b *builder) pair(path, cert, key string) (*certificate.Pair, bool) {
	s, paths := &b.c.pairs, [2]string{b.cfg.Path(cert), b.cfg.Path(key)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pairs[paths]; p != nil {
		return p, true
	}
	p, err := certificate.Open(paths[0], paths[1], b.c.log)
	if err != nil {
		b.fault(path, "%v; name a certificate and its key, PEM files relative to the config file", err)
		return nil, false
	}
	if s.pairs == nil {
		s.pairs = map[[2]string]*certificate.Pair{}
	}
	s.pairs[paths] = p
	return p, true
}

// certified makes the listeners' TLS settings.
func (b *builder) certified() {
	if t := b.cfg.TLS; t != nil {
		if p, ok := b.pair("tls.cert", t.Cert, t.Key); ok {
			b.gen.tls = listening(p, b.cfg.HTTP2)
			b.gen.pairs = append(b.gen.pairs, usedPair{"listen", p})
			b.clients(b.gen.tls)
		}
	}
	if a := b.cfg.Admin; a != nil && a.TLS != nil {
		if p, ok := b.pair("admin.tls.cert", a.TLS.Cert, a.TLS.Key); ok {
			b.gen.adminTLS = listening(p, true)
			b.gen.pairs = append(b.gen.pairs, usedPair{"admin", p})
		}
	}
}

// usedPair is a certificate and what shows it.
type usedPair struct {
	by   string
	pair *certificate.Pair
}

// listening are the settings of a listener: TLS 1.2 at least, and the cipher suites that crypto/tls deems secure.
func listening(p *certificate.Pair, http2 bool) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.Server, NextProtos: []string{"h2", "http/1.1"}}
	if !http2 {
		c.NextProtos = c.NextProtos[1:]
	}
	return c
}

// clients has the handshake ask for certificates. Where one is only requested, a strange one fails the request that has no
// other credential, and no other.
func (b *builder) clients(c *tls.Config) {
	m := b.cfg.Auth.MTLS
	asked, must := b.cfg.TLS.Clients(m)
	if !asked {
		return
	}
	pem, err := os.ReadFile(b.cfg.Path(m.CAFile))
	if err != nil {
		return // auth tells of it
	}
	c.ClientAuth, c.ClientCAs = tls.RequestClientCert, x509.NewCertPool()
	if must {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.ClientCAs.AppendCertsFromPEM(pem)
}

// errNoTLS ends handshakes after Close.
var errNoTLS = errors.New("control: no generation is serving")

// TLS are the public listener's settings, nil where it is cleartext. Each handshake takes those of the generation that is
// current then.
func (c *Controller) TLS() *tls.Config {
	return c.following(func(g *generation) *tls.Config { return g.tls })
}

// AdminTLS are the control listener's settings, as TLS.
func (c *Controller) AdminTLS() *tls.Config {
	return c.following(func(g *generation) *tls.Config { return g.adminTLS })
}

func (c *Controller) following(of func(*generation) *tls.Config) *tls.Config {
	gen := c.generation()
	if gen == nil || of(gen) == nil {
		return nil
	}
	first := of(gen)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: first.NextProtos,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if gen := c.generation(); gen != nil && of(gen) != nil {
				return of(gen), nil
			}
			return nil, errNoTLS
		},
	}
}

// CertificateStatus is a certificate that is shown, and why its files are not what is used.
type CertificateStatus struct {
	By string `json:"by"` // listen, admin, or an endpoint's place in the configuration
	certificate.Status
}

// certified looks at the generation's certificates.
func (g *generation) certified() []CertificateStatus {
	var out []CertificateStatus
	for _, p := range g.pairs {
		out = append(out, CertificateStatus{p.by, p.pair.Status()})
	}
	return out
}
