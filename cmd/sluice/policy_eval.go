package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/textproto"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/server"
)

// asking is the flags of policy eval.
type asking struct {
	control.Options
	path, data, id, tenant, claims, ip string
	roles, headers                     []string
	json, all                          bool
}

func policyEvalCommand() *cobra.Command {
	var a asking
	c := &cobra.Command{
		Use:   "eval -d JSON",
		Short: "Judge one request as curl would send it: what the policy is given, what it decides, and why",
		Long: `Judge one request as curl would send it: what the policy is given, what it decides, and why.

The configuration's own filters run over the request first, and nothing is forwarded. Who asks is taken as given:

  sluice policy eval --tenant red --role developer -d '{"model_name":"model-a","inputs":"hello"}'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := a.question(c.InOrStdin())
			if err != nil {
				return err
			}
			return a.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), q)
		},
	}
	a.add(c)
	c.Flags().BoolVarP(&a.all, "verbose", "v", false, "print the rules that did not fire, too, where something failed in them")
	return c
}

// add adds the flags that make up a request.
func (a *asking) add(c *cobra.Command) {
	configFlag(c, &a.Config)
	cacheFlag(c, &a.CacheDir)
	f := c.Flags()
	f.StringVarP(&a.data, "data", "d", "", "the request's body; @FILE reads a file, @- standard input")
	f.StringVar(&a.path, "path", "", "the path it is sent to (default /inference where it has inputs, else /v1/chat/completions)")
	f.StringArrayVarP(&a.headers, "header", "H", nil, "a header of the request, as 'name: value'")
	f.StringVar(&a.id, "principal", "key:me", "who asks")
	f.StringVar(&a.tenant, "tenant", "my-team", "the principal's tenant")
	f.StringSliceVar(&a.roles, "role", []string{"developer"}, "a role of the principal; more than once for more")
	f.StringVar(&a.claims, "claims", "", "the claims of the principal's token, as a JSON object")
	f.StringVar(&a.ip, "ip", "127.0.0.1", "the caller's address")
	f.BoolVar(&a.json, "json", false, "print everything as one JSON object")
}

// warnings makes a logger of what goes wrong.
func warnings(w io.Writer) func(config.Log) *slog.Logger {
	return func(config.Log) *slog.Logger {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
}

// question reads the flags.
func (a *asking) question(stdin io.Reader) (q pipeline.Question, err error) {
	q.Principal = &exchange.Principal{ID: a.id, Tenant: a.tenant, Roles: a.roles, Method: "key"}
	if a.claims != "" {
		q.Principal.Method = "jwt"
		d := json.NewDecoder(strings.NewReader(a.claims))
		d.UseNumber()
		if err := d.Decode(&q.Principal.Claims); err != nil {
			return q, fmt.Errorf("--claims takes a JSON object: %w", err)
		}
	}
	if q.Client.IP, err = netip.ParseAddr(a.ip); err != nil {
		return q, fmt.Errorf("--ip takes an address such as 192.0.2.7: %w", err)
	}
	q.Client.Headers = map[string][]string{}
	for _, h := range a.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return q, fmt.Errorf("--header takes 'name: value', not %q", h)
		}
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		q.Client.Headers[name] = append(q.Client.Headers[name], strings.TrimSpace(value))
	}
	if q.Body, err = a.body(stdin); err != nil {
		return q, err
	}
	path := a.path
	if path == "" {
		path = likelyPath(q.Body)
	}
	var ok bool
	if q.Surface, ok = server.Surface(path); !ok {
		return q, fmt.Errorf("no request is sent to %s; --path takes one of %s", path, strings.Join(server.Surfaces(), ", "))
	}
	return q, nil
}

func (a *asking) body(stdin io.Reader) ([]byte, error) {
	name, isFile := strings.CutPrefix(a.data, "@")
	switch {
	case a.data == "":
		return nil, errors.New(`give the request's body with -d, such as -d '{"model_name":"model-a","inputs":"hello"}'`)
	case !isFile:
		return []byte(a.data), nil
	case name == "-":
		return io.ReadAll(stdin)
	default:
		return os.ReadFile(name)
	}
}

// likelyPath guesses where a body goes that has no path with it.
func likelyPath(body []byte) string {
	var b struct {
		Inputs, System json.RawMessage
		Stop           json.RawMessage `json:"stop_sequences"`
	}
	switch err := json.Unmarshal(body, &b); {
	case err == nil && b.Inputs != nil:
		return "/inference"
	case err == nil && (b.System != nil || b.Stop != nil):
		return "/v1/messages"
	}
	return "/v1/chat/completions"
}

// evaluated is what --json prints.
type evaluated struct {
	Outcome  string              `json:"outcome"` // "allowed", or the code of the error
	Detail   string              `json:"detail,omitempty"`
	Models   []string            `json:"models,omitempty"`
	Filters  []string            `json:"filters,omitempty"`
	Labels   exchange.Labels     `json:"labels,omitempty"`
	Admit    *policy.Explanation `json:"admit,omitempty"`
	Decision *policy.Explanation `json:"decision,omitempty"`
}

func (a *asking) run(ctx context.Context, stdout, stderr io.Writer, q pipeline.Question) error {
	a.Logger = warnings(stderr)
	e, err := control.Evaluate(ctx, a.Options, q)
	if err != nil {
		fmt.Fprintln(stdout, missing(a.Config, err))
		return errSilent
	}
	out := evaluated{Outcome: "allowed", Models: e.Exchange.Decision.Models, Labels: e.Exchange.Labels, Admit: e.Admit, Decision: e.Decision}
	for _, f := range e.Exchange.Filters {
		out.Filters = append(out.Filters, f.Name)
	}
	var fault *exchange.Error
	if errors.As(e.Err, &fault) {
		out.Outcome, out.Detail = string(fault.Fault.Code), fault.Fault.Message
		if fault.Cause != nil {
			out.Detail += ": " + fault.Cause.Error()
		}
	}
	if a.json {
		return writeJSON(stdout, out)
	}
	out.print(stdout, a.all)
	return nil
}

// print writes it for a person.
func (o *evaluated) print(w io.Writer, all bool) {
	fmt.Fprintf(w, "%s", o.Outcome)
	if o.Detail != "" {
		fmt.Fprintf(w, ": %s", o.Detail)
	}
	if len(o.Models) > 0 {
		fmt.Fprintf(w, ", models in order: %s", strings.Join(o.Models, ", "))
	}
	fmt.Fprintln(w)
	if len(o.Filters) > 0 {
		labels, err := json.Marshal(o.Labels)
		if err == nil && o.Labels != nil {
			fmt.Fprintf(w, "\nfilters %s\n  labels  %s\n", strings.Join(o.Filters, ", "), labels)
		} else {
			fmt.Fprintf(w, "\nfilters %s, no labels\n", strings.Join(o.Filters, ", "))
		}
	}
	printExplanation(w, o.Admit, all)
	printExplanation(w, o.Decision, all)
}

// printExplanation writes what one entry point was given, what it gave, and the rules behind it.
func printExplanation(w io.Writer, e *policy.Explanation, all bool) {
	if e == nil {
		return
	}
	result := string(e.Result)
	if result == "" {
		result = "none"
	}
	fmt.Fprintf(w, "\n%s\n  given   %s\n  gives   %s\n", e.Rule, e.Input, result)
	for _, r := range e.Rules {
		if r.Fired > 0 {
			fmt.Fprintf(w, "  fired   %s:%d  %s\n", r.File, r.Line, r.Head)
		}
	}
	for _, r := range e.Rules {
		if !all || r.Fired > 0 || len(r.Failed) == 0 {
			continue
		}
		fmt.Fprintf(w, "  not     %s:%d  %s\n", r.File, r.Line, r.Head)
		for _, c := range r.Failed {
			fmt.Fprintf(w, "            line %d failed: %s\n", c.Line, c.Text)
		}
	}
}
