package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sluicegate/sluice/runtime/control"
)

// greet prints where the gateway listens, what is live, and a line to paste.
func (g *gateway) greet(w io.Writer) {
	fmt.Fprintf(w, "sluice %s listening on http://%s\n", versionOf(), g.public.Addr())
	if g.private != nil {
		fmt.Fprintf(w, "  admin on %s %s\n", g.private.Addr().Network(), g.private.Addr())
	}
	if admin := g.control.Config().Admin; admin != nil && admin.Token != nil && admin.Token.Ephemeral {
		fmt.Fprintf(w, "  admin token, until this process ends: %s\n", g.control.AdminToken())
	}
	st := g.control.Status()
	printStatus(w, st)
	keys := g.control.EphemeralKeys()
	if len(keys) == 0 || len(st.Models) == 0 {
		return
	}
	fmt.Fprintln(w, "  keys, made at random, accepted from this machine only, until this process ends:")
	for _, k := range keys {
		fmt.Fprintf(w, "    %-10s tenant %-10s x-api-key: %s\n", k.ID, k.Tenant, k.Secret)
	}
	fmt.Fprintf(w, "\ntry:\n  curl -i -d '{\"model_name\":%q,\"inputs\":\"Write to ana@example.com about card 4111 1111 1111 1111\"}' -H 'x-api-key: %s' http://%s/inference\n\n",
		st.Models[0].Name, keys[0].Secret, g.public.Addr())
}

func printStatus(w io.Writer, st control.Status) {
	for _, m := range st.Models {
		var eps []string
		for _, e := range m.Endpoints {
			eps = append(eps, describe(e))
		}
		fmt.Fprintf(w, "  model  %-12s %s\n", m.Name, strings.Join(eps, ", "))
	}
	for _, f := range st.Filters {
		fmt.Fprintf(w, "  filter %-12s %s sha256:%.12s (%s)\n", f.Name, f.Module, f.Digest, strings.Join(f.Hooks, ", "))
	}
	fmt.Fprintf(w, "  policy %-12s revision %s\n", st.PolicyPath, st.Policy)
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
