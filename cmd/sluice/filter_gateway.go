package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/config"
)

// adminTokenEnv has the admin listener's token where the configuration does not say where it is.
const adminTokenEnv = "SLUICE_ADMIN_TOKEN" //nolint:gosec // a name, no secret

// gatewayFlags say which running gateway a command is for.
type gatewayFlags struct{ config, admin string }

func (f *gatewayFlags) add(c *cobra.Command) {
	configFlag(c, &f.config)
	c.Flags().StringVar(&f.admin, "admin", "", "the gateway's admin listener, in place of the configuration's: http://host:port with the token in "+adminTokenEnv+", or the path of its socket")
}

// gatewayClient calls the admin listener of a running gateway.
type gatewayClient struct {
	base, token string
	where       string // for people
	http        *http.Client
}

// client finds the admin listener: the one named, else the configuration's.
func (f *gatewayFlags) client() (*gatewayClient, error) {
	switch {
	case strings.Contains(f.admin, "://"):
		return urlClient(strings.TrimSuffix(f.admin, "/"), os.Getenv(adminTokenEnv), nil)
	case f.admin != "":
		return socketClient(f.admin), nil
	}
	cfg, err := config.Load(f.config)
	if err != nil {
		return nil, fmt.Errorf("%w\nwhere the gateway listens for control is read from there; name it with --config or --admin", err)
	}
	switch {
	case cfg.Admin == nil:
		return nil, fmt.Errorf("%s has no admin listener, so a running gateway cannot be asked: write admin: {socket: sluice.sock} and start it again", f.config)
	case cfg.Admin.Socket != "":
		return socketClient(cfg.Path(cfg.Admin.Socket)), nil
	}
	token := os.Getenv(adminTokenEnv)
	if !cfg.Admin.Token.Ephemeral {
		if token, err = cfg.Admin.Token.Resolve(cfg.Dir()); err != nil {
			return nil, cfg.Fault("admin.token", "%v", err)
		}
	} else if token == "" {
		return nil, fmt.Errorf("the admin token is made at random at each start: put what `sluice serve` printed into %s", adminTokenEnv)
	}
	host, port, _ := net.SplitHostPort(cfg.Admin.Listen)
	if port == "0" {
		return nil, fmt.Errorf("%s lets the system choose the admin listener's port: name the address that `sluice serve` printed with --admin http://127.0.0.1:PORT", f.config)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	roots, err := adminRoots(cfg)
	if err != nil {
		return nil, err
	}
	return urlClient(scheme(cfg.Admin.TLS != nil)+net.JoinHostPort(host, port), token, roots)
}

// adminRoots are the system's authorities and the admin listener's own certificate, which may be signed by itself; nil
// where it is cleartext.
func adminRoots(cfg *config.Config) (*x509.CertPool, error) {
	if cfg.Admin.TLS == nil {
		return nil, nil
	}
	pem, err := os.ReadFile(cfg.Path(cfg.Admin.TLS.Cert))
	if err != nil {
		return nil, cfg.Fault("admin.tls.cert", "%v", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(pem)
	return roots, nil
}

// urlClient calls a URL. roots are whom its certificate must come from; nil: the system's.
func urlClient(base, token string, roots *x509.CertPool) (*gatewayClient, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Path != "" {
		return nil, errors.New("--admin: expected http://host:port, or the path of a socket")
	}
	if token == "" {
		return nil, fmt.Errorf("the admin token is missing; put it into %s", adminTokenEnv)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return &gatewayClient{base: base, token: token, where: base, http: &http.Client{Transport: transport, CheckRedirect: noRedirect}}, nil
}

// noRedirect keeps the token from going anywhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func socketClient(path string) *gatewayClient {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &gatewayClient{base: "http://localhost", where: path, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// callTime bounds one call: a filter's self-test is part of its deployment.
const callTime = 6 * time.Minute

// call makes one call and reads its answer into out.
func (g *gatewayClient) call(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	defer g.http.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, g.base+path, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if g.token != "" {
		req.Header.Set("Authorization", "Bearer "+g.token)
	}
	resp, err := g.http.Do(req)
	if err != nil {
		return g.unreached(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return g.unreached(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		return g.problem(resp.StatusCode, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s answers something else than this program expects; is it the admin listener of a gateway of this version?", g.where)
	}
	return nil
}

// unreached says why there is no answer.
func (g *gatewayClient) unreached(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return errors.New("stopped; if the gateway had it whole it goes on with it: sluice filter list shows what is live")
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("no gateway listens on %s: start it with `sluice serve`, or name another with --config or --admin", g.where)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s belongs to another user: run this as the user that runs the gateway", g.where)
	}
	return fmt.Errorf("%s: %w; sluice filter list shows what is live", g.where, err)
}

// problem is what the gateway said instead.
func (g *gatewayClient) problem(status int, text []byte) error {
	var p struct{ Code, Stage, Detail string }
	_ = json.Unmarshal(text, &p) // what is no JSON has no detail
	switch {
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%s refuses the admin token; it is the one that admin.token in its configuration refers to", g.where)
	case p.Detail == "":
		return fmt.Errorf("%s answers with status %d; is it the admin listener of a gateway of this version?", g.where, status)
	case p.Stage != "":
		return fmt.Errorf("refused at the stage %s; what was live before still is:\n%s", p.Stage, p.Detail)
	}
	return errors.New(p.Detail)
}
