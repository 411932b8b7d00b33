// Package certificate keeps a certificate and its key as they lie in files that are exchanged in place, for listeners and
// for calls of model servers. A pair that cannot be used leaves the last good one where it is, which is logged and told.
package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// look is how old what was read may get before a handshake looks at the files again.
const look = time.Second

// maxBytes bounds each file.
const maxBytes = 1 << 20

// Pair is a certificate, with the chain that goes out with it, and its key. It is safe for concurrent use.
type Pair struct {
	cert, key string // paths
	log       *slog.Logger
	current   atomic.Pointer[tls.Certificate]
	due       atomic.Int64 // when to look again, Unix nanoseconds

	mu    sync.Mutex
	seen  [sha256.Size]byte // of both files, as they were last looked at; zero while they cannot be read
	fault string            // why they are not what is used; "" where they are
}

// Status tells what is used. Fault says why the files as they are now are not: "" where they are.
type Status struct {
	Subject string    `json:"subject"`
	Expires time.Time `json:"expires"`
	Fault   string    `json:"fault,omitempty"`
}

// Open reads a pair of PEM files, which must be good. log hears of later changes.
func Open(cert, key string, log *slog.Logger) (*Pair, error) {
	p := &Pair{cert: cert, key: key, log: log}
	c, sum, err := p.read()
	if err != nil {
		return nil, err
	}
	p.seen = sum
	p.current.Store(c)
	p.due.Store(time.Now().Add(look).UnixNano())
	if end := c.Leaf.NotAfter; time.Now().After(end) {
		log.Warn("a certificate has expired; exchange it, it will be taken up at once", "file", cert, "expired", end)
	}
	return p, nil
}

// Server is for tls.Config.GetCertificate.
func (p *Pair) Server(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.get(), nil }

// Client is for tls.Config.GetClientCertificate.
func (p *Pair) Client(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.get(), nil }

// Status looks at the files and tells what is used.
func (p *Pair) Status() Status {
	c := p.get()
	p.mu.Lock()
	defer p.mu.Unlock()
	return Status{Subject: c.Leaf.Subject.String(), Expires: c.Leaf.NotAfter, Fault: p.fault}
}

// get gives the pair to use. One handshake in a second looks at the files first.
func (p *Pair) get() *tls.Certificate {
	now, due := time.Now(), p.due.Load()
	if now.UnixNano() >= due && p.due.CompareAndSwap(due, now.Add(look).UnixNano()) {
		p.look()
	}
	return p.current.Load()
}

// look takes up what has changed, if it is good. Of a fault the log hears once.
func (p *Pair) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, sum, err := p.read()
	switch {
	case err == nil && sum == p.seen && p.fault == "":
	case err == nil:
		p.seen, p.fault = sum, ""
		p.current.Store(c)
		p.log.Info("a certificate was exchanged", "file", p.cert, "expires", c.Leaf.NotAfter)
	case err.Error() == p.fault:
	default:
		p.seen, p.fault = sum, err.Error()
		p.log.Error("a new certificate cannot be used, the last good one stays", "file", p.cert, "expires", p.current.Load().Leaf.NotAfter, "fault", p.fault)
	}
}

// read reads the files. Errors name no part of the key.
func (p *Pair) read() (c *tls.Certificate, sum [sha256.Size]byte, err error) {
	cert, err := readFile(p.cert)
	if err != nil {
		return nil, sum, err
	}
	key, err := readFile(p.key)
	if err != nil {
		return nil, sum, err
	}
	h := sha256.New()
	h.Write(cert)
	h.Write(key)
	h.Sum(sum[:0])
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, sum, fmt.Errorf("%s and %s are no certificate with its key: %w", p.cert, p.key, err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, sum, fmt.Errorf("%s holds a certificate that cannot be read", p.cert)
		}
	}
	return &pair, sum, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be opened: %w", path, cause(err))
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", path, cause(err))
	case len(text) > maxBytes:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxBytes)
	}
	return text, nil
}

// cause is what went wrong with a file whose path is named already.
func cause(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
