package config

import (
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Credential says where an endpoint's secret comes from. Exactly one of Env, File, Command and OAuth2 is given.
type Credential struct {
	// Env is the name of an environment variable.
	Env string `yaml:"env"`
	// File is the path of a file that holds the secret; it is looked at again while it is used, so a token may be rotated in
	// place.
	File string `yaml:"file"`
	// JSON names the field that holds the secret where the file, or the command's output, is a JSON object; a dot steps into
	// an object.
	JSON string `yaml:"json"`
	// Command is a program and its arguments; it writes the secret to its standard output. There is no shell between. A
	// program with a slash in its name is relative to the config file.
	Command []string `yaml:"command"`
	// TTL is how long what a command wrote is kept; left out, until a JSON Web Token expires, or 5m.
	TTL time.Duration `yaml:"ttl"`
	// Timeout is how long a command may run.
	Timeout time.Duration `yaml:"timeout"`
	// OAuth2 gets a token by client credentials (RFC 6749, section 4.4).
	OAuth2 *OAuth2 `yaml:"oauth2"`
}

// OAuth2 is the grant of client credentials: a token is fetched when it is first needed, and again before it expires.
type OAuth2 struct {
	// TokenURL is where tokens are asked for: https, or http on loopback.
	TokenURL string `yaml:"token_url" jsonschema:"required"`
	// ClientID is who asks.
	ClientID string `yaml:"client_id" jsonschema:"required"`
	// ClientSecret is the secret that goes with it.
	ClientSecret *Ref `yaml:"client_secret" jsonschema:"required"`
	// Scopes are asked for.
	Scopes []string `yaml:"scopes"`
	// Audience is sent as the parameter of that name, which some servers want.
	Audience string `yaml:"audience"`
	// Auth says how the client shows its secret: basic in the header Authorization, or post in the form.
	Auth string `yaml:"auth" jsonschema:"enum=basic,enum=post"`
	// CAFile holds the certificates that the server's must come from, as PEM; left out, the system's.
	CAFile string `yaml:"ca_file"`
}

func (o *OAuth2) setDefaults() { o.Auth = "basic" }

// Ref is the reference where the secret is one: to a variable or a file. Else it is nil.
func (c *Credential) Ref() *Ref {
	if c.Env == "" && c.File == "" {
		return nil
	}
	return &Ref{Env: c.Env, File: c.File, JSON: c.JSON}
}

func (c *Credential) decode(d *decoder, p *place) {
	if text, ok := p.node.(*ast.StringNode); ok && looksLikeURL(text.Value) {
		d.fault(p, "looks like a URL, not a reference to a secret; are url and credential swapped?")
		return
	}
	if _, ok := pairs(p.node); !ok {
		d.fault(p, "expected a reference, found %s; write {env: NAME}, {file: path}, {file: path, json: field}, {command: [...]} or {oauth2: {...}}, and no secret into a config", kindOf(p.node))
		return
	}
	before := len(d.faults)
	d.structure(p, reflect.ValueOf(c).Elem())
	if len(d.faults) == before {
		c.check(d, p)
	}
}

func (c *Credential) check(d *decoder, p *place) {
	given := 0
	for _, is := range []bool{c.Env != "", c.File != "", c.Command != nil, c.OAuth2 != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		d.fault(p, "expected one of env, file, command and oauth2; keep one")
	case c.JSON != "" && c.File == "" && c.Command == nil:
		d.fault(p, "json names a field of a file or of what a command writes; write one of them too")
	case c.Command == nil && (c.TTL != 0 || c.Timeout != 0):
		d.fault(p, "ttl and timeout are a command's; remove them")
	case c.Command != nil && len(c.Command) == 0:
		d.fault(p, "command is an empty list; write the program and its arguments")
	case c.OAuth2 != nil:
		c.OAuth2.check(d, p)
	default:
		c.checkRef(d, p)
	}
}

func (c *Credential) checkRef(d *decoder, p *place) {
	switch {
	case c.Env != "" && !envName.MatchString(c.Env):
		d.fault(p, "env is not the name of a variable; write the name, not the secret")
	case looksLikeURL(c.File):
		d.fault(p, "file looks like a URL, not a path; are url and credential swapped?")
	case hasSecretPrefix(c.File):
		d.fault(p, "file looks like a secret, not a path; write the secret into a file and its path here")
	}
}

func (o *OAuth2) check(d *decoder, p *place) {
	u, err := url.Parse(o.TokenURL)
	switch {
	case looksLikeSecret(o.TokenURL):
		d.fault(p, "token_url looks like a secret, not a URL; are token_url and client_secret swapped?")
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		d.fault(p, "expected an https URL as token_url (http on loopback only), without user and fragment")
	case strings.ContainsFunc(o.ClientID, func(r rune) bool { return r <= ' ' }):
		d.fault(p, "client_id holds a space; write the id alone")
	}
}
