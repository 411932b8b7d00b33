package control

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/credential"
	"github.com/sluicegate/sluice/runtime/provider"
)

// credential opens an endpoint's credential. A variable and a file must hold one now; a command is run, and a token
// endpoint asked, when the first call needs it: one that is down must not keep the gateway from starting.
func (b *builder) credential(path string, c *config.Credential) (provider.Credential, bool) {
	o := credential.Options{Name: path, Timeout: c.Timeout, Logger: b.c.log}
	var first credential.Token
	var roots []byte
	switch {
	case c.Command != nil:
		args, ok := b.program(path, c.Command)
		if !ok {
			return nil, false
		}
		o.Fetch = credential.Command{Args: args, Dir: b.cfg.Dir(), JSON: c.JSON, TTL: c.TTL}.Fetch
	case c.OAuth2 != nil:
		var ok bool
		if roots, ok = b.certificates(path+".oauth2.ca_file", c.OAuth2.CAFile); !ok {
			return nil, false
		}
		if o.Fetch, ok = b.grant(path+".oauth2", c.OAuth2, roots); !ok {
			return nil, false
		}
	default:
		secret, err := c.Ref().Resolve(b.cfg.Dir())
		if err != nil {
			b.fault(path, "%v", err)
			return nil, false
		}
		if !b.rereads(c) {
			return credential.Static(secret), true
		}
		ref, dir := *c.Ref(), b.cfg.Dir()
		o.Fetch = credential.File(func() (string, error) { return ref.Resolve(dir) })
		first, _ = o.Fetch(context.Background())
		first.Secret = secret
	}
	src, release := b.c.credentials.Open(digest(path, b.cfg.Dir(), c, roots), o)
	if first.Secret != "" {
		src.Offer(first)
	}
	b.gen.closer = append(b.gen.closer, release)
	return src, true
}

// rereads tells whether a secret may change where it is: a variable does not, and a pipe gives its contents once.
func (b *builder) rereads(c *config.Credential) bool {
	if c.File == "" {
		return false
	}
	info, err := os.Stat(b.cfg.Path(c.File))
	return err == nil && info.Mode().IsRegular()
}

// program finds a command's program.
func (b *builder) program(path string, args []string) ([]string, bool) {
	name := args[0]
	if strings.ContainsRune(name, '/') || strings.ContainsRune(name, filepath.Separator) {
		name = b.cfg.Path(name)
	}
	found, err := exec.LookPath(name)
	if err != nil {
		b.fault(path+".command[0]", "no such program, or it may not be run; check its path and its mode")
		return nil, false
	}
	if found, err = filepath.Abs(found); err != nil {
		b.fault(path+".command[0]", "the program's path cannot be made absolute; write it so")
		return nil, false
	}
	return append([]string{found}, args[1:]...), true
}

// grant makes what asks a token endpoint. The client's secret must be there now, and is read again for every token.
func (b *builder) grant(path string, o *config.OAuth2, roots []byte) (credential.Fetch, bool) {
	dir := b.cfg.Dir()
	secret := func() (string, error) { return o.ClientSecret.Resolve(dir) }
	if _, err := secret(); err != nil {
		b.fault(path+".client_secret", "%v", err)
		return nil, false
	}
	fetch, err := credential.ClientCredentials{
		TokenURL: o.TokenURL, ID: o.ClientID, Secret: secret, Scopes: o.Scopes, Audience: o.Audience,
		InBody: o.Auth == "post", RootCAs: roots,
	}.NewFetch()
	if err != nil {
		b.fault(path, "%v", err)
		return nil, false
	}
	return fetch, true
}
