package auth

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	maxSetBytes  = 1 << 20         // of a JWKS document
	fetchTimeout = 5 * time.Second // for one fetch
)

// Sources keeps issuers' keys (JWKS, RFC 7517) over reloads. It is safe for concurrent use.
type Sources struct {
	log   *slog.Logger
	ctx   context.Context // ends with Close; fetches live in it, not in the request that happens to need them
	stop  context.CancelFunc
	wait  sync.WaitGroup
	mu    sync.Mutex
	known map[[sha256.Size]byte]*source
}

// NewSources makes an empty Sources. Close ends it.
func NewSources(log *slog.Logger) *Sources {
	s := &Sources{log: log, known: map[[sha256.Size]byte]*source{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Close ends the fetches under way and waits for them.
func (s *Sources) Close() {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.wait.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, src := range s.known {
		if src.client != nil {
			src.client.CloseIdleConnections()
		}
	}
}

// open gives the source at a place. One that is fetched is kept with its keys and its pauses over reloads, and fetched
// for the first time in the background: an issuer that is down must not keep the gateway from starting. A file is read
// anew, and must be good.
func (s *Sources) open(where string, roots []byte) (*source, error) {
	if !strings.Contains(where, "://") {
		src := &source{sources: s, where: where}
		if err := src.fetch(s.ctx); err != nil {
			return nil, err
		}
		return src, nil
	}
	src, err := s.remote(where, roots)
	if err != nil {
		return nil, err
	}
	src.mu.Lock()
	defer src.mu.Unlock()
	src.begin()
	return src, nil
}

// remote gives the source at a URL.
func (s *Sources) remote(where string, roots []byte) (*source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := sha256.Sum256([]byte(where + "\x00" + string(roots)))
	if src := s.known[id]; src != nil {
		return src, nil
	}
	client, err := newClient(where, roots)
	if err != nil {
		return nil, err
	}
	s.known[id] = &source{sources: s, where: where, client: client}
	return s.known[id], nil
}

// goFetch runs a fetch in a goroutine of its own unless Sources is closed.
func (s *Sources) goFetch(f func(context.Context)) bool {
	s.mu.Lock() // Close waits, so nothing may begin once it has
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.wait.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, fetchTimeout)
		defer cancel()
		f(ctx)
	})
	return true
}

// newClient makes a client for one URL: https, or http on loopback; no redirect is followed, for keys come from where
// the config says or not at all.
func newClient(where string, roots []byte) (*http.Client, error) {
	u, err := url.Parse(where)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New("the JWKS URL cannot be read; write https://host/path")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("the JWKS URL must be https, or http on loopback")
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		DialContext: (&net.Dialer{Timeout: fetchTimeout}).DialContext,
	}
	if roots != nil {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(roots) {
			return nil, errors.New("the certificates for the JWKS URL are not PEM")
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: t, CheckRedirect: refuse}, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// read gets the document, from file or URL, at most maxSetBytes of it.
func (s *source) read(ctx context.Context) ([]byte, error) {
	if s.client == nil {
		f, err := os.Open(s.where)
		if err != nil {
			return nil, fmt.Errorf("cannot open the JWKS file: %w", err)
		}
		return bounded(f)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.where, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for the JWKS: %w", err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot fetch the JWKS: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close() // nothing of it is wanted
		return nil, fmt.Errorf("the JWKS URL answers with status %d", resp.StatusCode)
	}
	return bounded(resp.Body)
}

// bounded reads and closes r.
func bounded(r io.ReadCloser) ([]byte, error) {
	defer func() { _ = r.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(r, maxSetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the JWKS: %w", err)
	}
	if len(text) > maxSetBytes {
		return nil, fmt.Errorf("the JWKS is larger than %d bytes", maxSetBytes)
	}
	return text, nil
}
