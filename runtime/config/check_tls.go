package config

// checkTLS checks certificates: those of the listeners, and those that clients are known by.
func checkTLS(c *Config, d *decoder) {
	m := c.Auth.MTLS
	switch {
	case m != nil && c.TLS == nil && d.clean("auth.mtls") && d.clean("tls"):
		d.faultAt("auth.mtls", "client certificates come over TLS alone; write tls: {cert: ..., key: ...}, or remove this")
	case c.TLS == nil:
	case m == nil && c.TLS.ClientAuth != "" && c.TLS.ClientAuth != "none":
		d.faultAt("tls.client_auth", "nothing says which certificates count; write auth.mtls with ca_file, or remove this")
	case m != nil && c.TLS.ClientAuth == "none":
		d.faultAt("tls.client_auth", "no client shows a certificate, so auth.mtls knows nobody; write request or require, or remove auth.mtls")
	}
	if c.Admin != nil && c.Admin.TLS != nil && c.Admin.Socket != "" {
		d.faultAt("admin.tls", "a socket needs none, its mode is the credential; remove it")
	}
	if m == nil {
		return
	}
	ids, names := unique{d: d}, unique{d: d}
	for i := range m.Clients {
		k, path := &m.Clients[i], indexed("auth.mtls.clients", i)
		checkHolder(d, path, k.ID, k.Tenant, k.Roles)
		ids.add(path+".id", k.ID)
		given := 0
		for _, n := range []struct{ kind, value string }{{"uri", k.URI}, {"dns", k.DNS}, {"email", k.Email}, {"subject", k.Subject}} {
			if n.value != "" {
				given++
				names.add(path+"."+n.kind, n.kind+" "+n.value)
			}
		}
		if given != 1 && d.clean(path) {
			d.faultAt(path, "expected one of uri, dns, email and subject; a client is known by one name")
		}
	}
}

// checkClientCert checks the certificate that an endpoint is shown.
func checkClientCert(d *decoder, path string, e *Endpoint) {
	switch u, _ := baseURL(string(e.URL)); {
	case (e.ClientCert == "") != (e.ClientKey == ""):
		d.faultAt(path, "expected client_cert and client_key together; write the other one too")
	case e.ClientCert != "" && (u == nil || u.Scheme != "https") && d.clean(path):
		d.faultAt(path+".client_cert", "the url is not https, so no certificate is shown; remove one")
	}
}

// Clients tells whether clients are asked for a certificate, and whether they must show one.
func (t *TLS) Clients(m *MTLS) (asked, must bool) {
	return m != nil && t.ClientAuth != "none", t.ClientAuth == "require"
}
