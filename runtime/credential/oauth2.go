package credential

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ClientCredentials is the OAuth 2.0 grant of that name (RFC 6749, section 4.4).
type ClientCredentials struct {
	TokenURL string // https, or http on loopback
	ID       string
	Secret   func() (string, error) // read for every fetch, so that it may be rotated
	Scopes   []string
	Audience string // the parameter audience, which some servers want; "" sends none
	InBody   bool   // id and secret go into the form (client_secret_post); else into Authorization: Basic
	RootCAs  []byte // PEM certificates that the server's must come from; nil: the system's
}

// defaultLife is how long a token is kept of which the server does not say when it expires.
const defaultLife = 5 * time.Minute

// grantErrors are the error codes of RFC 6749, section 5.2: the only words of a token endpoint that are repeated.
var grantErrors = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}

// NewFetch makes the grant's Fetch.
func (c ClientCredentials) NewFetch() (Fetch, error) {
	u, err := url.Parse(c.TokenURL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return nil, errors.New("the token_url cannot be read; write https://host/path")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, errors.New("the token_url must be https, or http on loopback")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.RootCAs) > 0 {
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(c.RootCAs) {
			return nil, errors.New("the certificates for the token_url are not PEM")
		}
	}
	client := &http.Client{
		// A token is asked for once in minutes: no connection is kept, so there is nothing to close.
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: config, MaxResponseHeaderBytes: maxOutput,
			DialContext: (&net.Dialer{Timeout: fetchTimeout}).DialContext,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) (Token, error) { return c.fetch(ctx, client) }, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (c ClientCredentials) fetch(ctx context.Context, client *http.Client) (Token, error) {
	req, err := c.request(ctx)
	if err != nil {
		return Token{}, err
	}
	asked := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		var cause *url.Error // its text names the URL; the cause is what is of interest
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return Token{}, fmt.Errorf("the token endpoint cannot be reached: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput+1))
	switch {
	case err != nil:
		return Token{}, errors.New("the token endpoint's answer did not come whole")
	case len(text) > maxOutput:
		return Token{}, fmt.Errorf("the token endpoint's answer is larger than %d bytes", maxOutput)
	case resp.StatusCode != http.StatusOK:
		return Token{}, refusal(resp.StatusCode, text)
	}
	return granted(text, asked)
}

func (c ClientCredentials) request(ctx context.Context) (*http.Request, error) {
	secret, err := c.Secret()
	if err != nil {
		return nil, err
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(c.Scopes) > 0 {
		form.Set("scope", strings.Join(c.Scopes, " "))
	}
	if c.Audience != "" {
		form.Set("audience", c.Audience)
	}
	if c.InBody {
		form.Set("client_id", c.ID)
		form.Set("client_secret", secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the token_url cannot be read; write https://host/path")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if !c.InBody {
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(secret)) // RFC 6749, section 2.3.1
	}
	return req, nil
}

// refusal is the error of an answer that grants nothing.
func refusal(status int, text []byte) error {
	var body struct{ Error string }
	if json.Unmarshal(text, &body) == nil && slices.Contains(grantErrors, body.Error) {
		return fmt.Errorf("the token endpoint refuses: %s (status %d); check client_id, client_secret and scopes", body.Error, status)
	}
	return fmt.Errorf("the token endpoint answers with status %d; check token_url", status)
}

// granted reads a token (RFC 6749, section 5.1).
func granted(text []byte, asked time.Time) (Token, error) {
	var body struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"` // a number; some servers write it as a string
	}
	if json.Unmarshal(text, &body) != nil || body.AccessToken == "" {
		return Token{}, errors.New("the token endpoint's answer holds no access_token; check token_url")
	}
	if body.TokenType != "" && !strings.EqualFold(body.TokenType, "Bearer") {
		return Token{}, errors.New("the token endpoint gives a token that is no Bearer token, and no other can be sent")
	}
	t := Token{Secret: body.AccessToken}
	var seconds float64
	if json.Unmarshal(bytes.Trim(body.ExpiresIn, `"`), &seconds) == nil && seconds > 0 && seconds < 1e9 {
		t.Expires = asked.Add(time.Duration(seconds * float64(time.Second)))
	} else if expiry(t.Secret).IsZero() {
		t.Look = defaultLife
	}
	return t, nil
}
