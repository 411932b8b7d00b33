package provider

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
)

// maxPage bounds a page of health or metrics: those of a busy model server have some 100 KB.
const maxPage = 4 << 20

// page is an upstream.Page.
type page struct {
	transport  *upstream.Transport
	credential Credential
}

// NewPage gives the page at an absolute URL, or at a path of the endpoint's own host, that tells how the endpoint is. It is
// asked for with the endpoint's certificates and, if it is on the endpoint's own scheme, host and port, its credential. No
// question takes longer than timeout.
func NewPage(o Options, at string, timeout time.Duration) (upstream.Page, error) {
	own, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	target := own.Scheme + "://" + own.Host
	p := &page{credential: o.Credential}
	if strings.HasPrefix(at, "/") {
		target += at
	} else {
		if !strings.HasPrefix(at, target+"/") && at != target {
			p.credential = nil
		}
		target = at
	}
	t := upstream.TransportOptions{
		URL: target, MaxAnswer: maxPage, MaxIdle: 1,
		Timeouts: upstream.Timeouts{Connect: timeout, FirstByte: timeout, Idle: timeout},
	}
	if strings.HasPrefix(target, "https:") {
		t.RootCAs = o.RootCAs
	}
	if p.transport, err = upstream.NewTransport(t); err != nil {
		return nil, err
	}
	return p, nil
}

// Get gives the page's text.
func (p *page) Get(ctx context.Context) ([]byte, error) {
	resp, err := send(ctx, p.transport, p.credential, &upstream.Request{Method: "GET"}, bearer)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, _ := resp.Fail()
		return nil, f
	}
	defer func() { _ = resp.Close() }() // what matters was read or has failed
	return resp.ReadAll()
}

// Close frees the connection.
func (p *page) Close() error { return p.transport.Close() }
