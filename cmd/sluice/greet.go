package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
)

// greet prints where the gateway listens, what is live, and a line to paste.
func (g *gateway) greet(w io.Writer) {
	cfg, st := g.control.Config(), g.control.Status()
	url := scheme(cfg.TLS != nil) + dialable(g.public.Addr())
	fmt.Fprintf(w, "sluice %s listening on %s\n", versionOf(), url)
	g.greetAdmin(w, cfg.Admin)
	printStatus(w, st)
	keys := g.control.EphemeralKeys()
	if len(keys) > 0 {
		fmt.Fprintln(w, "  keys, made at random, accepted from this machine only, until this process ends:")
		t := table(w)
		for _, k := range keys {
			fmt.Fprintf(t, "    %s\ttenant %s\tx-api-key: %s\n", k.ID, k.Tenant, k.Secret)
		}
		_ = t.Flush() // as every line here: a terminal that is gone stops no gateway
	}
	fmt.Fprintf(w, "\ntry:\n  curl -i -d '{\"model_name\":%q,\"inputs\":\"Write to ana@example.com about card 4111 1111 1111 1111\"}' %s %s/inference\n\n",
		st.Models[0].Name, credential(cfg, keys), url)
}

// scheme is how URLs of a listener begin.
func scheme(tls bool) string {
	if tls {
		return "https://"
	}
	return "http://"
}

// greetAdmin prints where the admin listener is and how to ask it.
func (g *gateway) greetAdmin(w io.Writer, cfg *config.Admin) {
	switch {
	case cfg == nil:
	case cfg.Socket != "":
		path := g.private.Addr().String()
		fmt.Fprintf(w, "  admin on the socket %s: curl --unix-socket %s http://localhost/metrics\n", path, path)
	case cfg.Token.Ephemeral:
		fmt.Fprintf(w, "  admin on %s%s, token until this process ends: %s\n", scheme(cfg.TLS != nil), dialable(g.private.Addr()), g.control.AdminToken())
	default:
		fmt.Fprintf(w, "  admin on %s%s\n", scheme(cfg.TLS != nil), dialable(g.private.Addr()))
	}
}

// credential is curl's header for a caller of this configuration.
func credential(cfg *config.Config, keys []control.EphemeralKey) string {
	switch {
	case len(keys) > 0:
		return "-H 'x-api-key: " + keys[0].Secret + "'"
	case len(cfg.Auth.Keys) > 0:
		return `-H "x-api-key: $SLUICE_KEY"`
	default:
		return `-H "authorization: Bearer $SLUICE_TOKEN"`
	}
}

// dialable is an address as a client on this machine writes it: of one that stands for all of them, localhost.
func dialable(a net.Addr) string {
	if ap, err := netip.ParseAddrPort(a.String()); err == nil && ap.Addr().IsUnspecified() {
		return fmt.Sprintf("localhost:%d", ap.Port())
	}
	return a.String()
}

func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// printStatus prints what is live, a line for each part.
func printStatus(w io.Writer, st control.Status) {
	t := table(w)
	for _, m := range st.Models {
		what, name := "model", m.Name
		for _, e := range m.Endpoints {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", what, name, describe(e))
			what, name = "", "" // its further endpoints stand below
		}
	}
	for _, f := range st.Filters {
		fmt.Fprintf(t, "  filter\t%s\t%s sha256:%.12s (%s)\n", f.Name, f.Module, f.Digest, strings.Join(f.Hooks, ", "))
	}
	if len(st.Filters) == 0 {
		fmt.Fprintln(t, "  filter\tnone\ttext passes as it came")
	}
	about := "revision " + st.Policy
	if st.NoPolicy != "" {
		about = "NONE yet, all requests are refused: " + st.NoPolicy
	}
	fmt.Fprintf(t, "  policy\t%s\t%s\n", st.PolicyPath, about)
	_ = t.Flush() // as in greet
}

func describe(e control.EndpointStatus) string {
	switch {
	case e.Provider == "demo":
		return e.Name + " (built-in demo, NOT a model: it repeats what it is sent)"
	case e.URL != "":
		return fmt.Sprintf("%s (%s at %s)", e.Name, e.Provider, e.URL)
	default:
		return fmt.Sprintf("%s (%s)", e.Name, e.Provider)
	}
}
