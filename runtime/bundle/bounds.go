package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/plugins/rest"
)

// prefix names the plugins through which OPA's clients go.
const prefix = "sluice/"

// maxReply bounds answers that are no bundles.
const maxReply = 1 << 20

// maxRedirects is how often a server may send elsewhere.
const maxRedirects = 5

// service stands between OPA's client of a service and the network. OPA makes its clients of the service's credential; so
// this takes the place of the credential, and asks the real one. It adds what OPA has no bound for: how long an answer may
// take to its end, how much of it is read, and what a bundle may unpack to.
type service struct {
	client *Client
	bundle string // whose server it is; "": reports and uploads go there
	inner  rest.HTTPAuthPlugin
	images bool // a registry

	turn  sync.Mutex // of Prepare: OPA's credentials keep tokens without a lock
	mu    sync.Mutex
	made  map[int64]*http.Client // by OPA's timeout for headers; it asks for a new one whenever that changes
	close []*http.Transport
	cfg   rest.Config
}

func newService(c *Client, w wrapped) *service {
	return &service{client: c, bundle: w.bundle, cfg: w.Config, images: strings.EqualFold(w.Type, "oci"), made: map[int64]*http.Client{}}
}

// Start, Stop and Reconfigure make it a plugin.
func (*service) Start(context.Context) error      { return nil }
func (*service) Reconfigure(context.Context, any) {}

// Stop closes the connections.
func (s *service) Stop(context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.close {
		t.CloseIdleConnections()
	}
}

// check finds what is wrong with the credentials.
func (s *service) check() (rest.HTTPAuthPlugin, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inner != nil {
		return s.inner, nil
	}
	inner, err := s.cfg.AuthPlugin(nil)
	s.inner = inner
	return inner, err
}

// NewClient makes the HTTP client, or gives the one that was made before.
func (s *service) NewClient(cfg rest.Config) (*http.Client, error) {
	inner, err := s.check()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := *cfg.ResponseHeaderTimeoutSeconds
	if made := s.made[wait]; made != nil {
		return made, nil
	}
	cfg.Credentials = s.cfg.Credentials
	made, err := inner.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	base := made.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	if t, ok := base.(*http.Transport); ok && t != http.DefaultTransport {
		t.MaxResponseHeaderBytes = maxReply
		s.close = append(s.close, t)
	}
	made.Transport = &transport{s, base}
	made.CheckRedirect = redirect
	s.made[wait] = made
	return made, nil
}

// Prepare puts the credential into a request. It may have to fetch it first, within the bounds of one answer.
func (s *service) Prepare(r *http.Request) error {
	inner, err := s.check()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.client.opts.Timeout, errSlow)
	defer cancel()
	s.turn.Lock()
	defer s.turn.Unlock()
	if err = inner.Prepare(r.WithContext(ctx)); err != nil { // it shares the header
		err = noCredential(ctx, err, s.client.opts.Timeout)
		s.note(err)
	}
	return err
}

// redirect follows a server elsewhere, but never out of https.
func redirect(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server sends elsewhere more than %d times; correct the resource", maxRedirects)}
	case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
		return &Fault{Stage: StageDownload, Message: "the server sends to an address without https; correct the server or the service's url"}
	}
	return nil
}

// transport bounds each request.
type transport struct {
	*service
	base http.RoundTripper
}

// RoundTrip sends a request, and reads of the answer what may be read.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.note(nil)
	limit := t.client.opts.Timeout + waits(r)
	ctx, cancel := context.WithTimeoutCause(r.Context(), limit, errSlow)
	resp, err := t.base.RoundTrip(t.wanting(r.Clone(ctx)))
	if err == nil && t.isBundle(r, resp) {
		err = t.vet(ctx, resp)
	}
	if err != nil {
		cancel()
		err = unreachable(ctx, err, limit)
		t.note(err)
		return nil, err
	}
	most := int64(maxReply)
	if r.Method == http.MethodGet && resp.StatusCode == http.StatusOK {
		most = max(most, t.client.limits[t.bundle])
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: most, end: cancel}
	return resp, nil
}

// note keeps what an attempt to fetch failed of.
func (s *service) note(err error) {
	if s.bundle != "" {
		s.client.note(s.bundle, err)
	}
}

// wanting asks for a whole bundle where a delta would not do.
func (s *service) wanting(r *http.Request) *http.Request {
	if prefer := r.Header.Get("Prefer"); s.client.wantsWhole(s.bundle) {
		r.Header.Set("Prefer", strings.Replace(prefer, "modes=snapshot,delta", "modes=snapshot", 1))
	}
	return r
}

// waits is how long the server was asked to wait for a new bundle.
func waits(r *http.Request) time.Duration {
	for part := range strings.SplitSeq(r.Header.Get("Prefer"), ";") {
		if n, ok := strings.CutPrefix(strings.TrimSpace(part), "wait="); ok {
			seconds, _ := strconv.ParseInt(n, 10, 32)
			return time.Duration(seconds) * time.Second
		}
	}
	return 0
}

// isBundle tells whether an answer is one. Of a registry it is the layer, which begins as archives do.
func (t *transport) isBundle(r *http.Request, resp *http.Response) bool {
	if t.bundle == "" || r.Method != http.MethodGet || resp.StatusCode != http.StatusOK {
		return false
	}
	return !t.images || strings.Contains(r.URL.Path, "/blobs/")
}

// vet reads a bundle whole, looks into it, and gives it back to be read again.
func (t *transport) vet(ctx context.Context, resp *http.Response) error {
	defer func() { _ = resp.Body.Close() }()
	most := t.client.limits[t.bundle]
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Fault{Stage: StageDownload, Message: "the answer was cut off; what is between may have a limit of its own"}
	case err != nil:
		return err
	case int64(len(body)) > most:
		return tooLarge(most)
	}
	if err := t.look(resp, body, most); err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func (t *transport) look(resp *http.Response, body []byte, most int64) error {
	if t.images && !isArchive(body) {
		return nil // the image's configuration
	}
	return vetArchive(resp.Header.Get("Content-Type"), body, most)
}

// bounded reads at most so many bytes, and ends what waits for the answer when it is closed.
type bounded struct {
	io.ReadCloser
	left int64
	end  context.CancelFunc
}

// Read reads, but not beyond the bound.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		var one [1]byte
		if n, err := b.ReadCloser.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, &Fault{Stage: StageDownload, Message: "the answer is larger than may be read"}
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// Close ends the request.
func (b *bounded) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
