package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/wire"
)

// running is what sluice filter run was asked for.
type running struct {
	config string
	facts  []string
	on     string
	role   string
	stream int
	body   bool
	asJSON bool

	out, err io.Writer
	colour   bool
	kinds    kindColours
}

func filterRunCommand() *cobra.Command {
	r := &running{kinds: kindColours{}}
	c := &cobra.Command{
		Use:   "run MODULE",
		Short: "Pipe text through a filter and show what it finds",
		Long: "Reads a text from standard input, shows it to the filter and prints it with its findings: in colour on a terminal, as\n" +
			"<kind:text> elsewhere. Where standard input is a terminal, each line is a text. MODULE is a path or builtin:NAME.",
		Example: "  echo 'Write to ana@example.com' | sluice filter run builtin:redact\n" +
			"  sluice filter run ticket.wasm --on response --stream 8 < answer.txt",
		Args: rangeArgs(1, 1, "the path of a module, or builtin:NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			r.out, r.err = c.OutOrStdout(), c.ErrOrStderr()
			r.colour = colours(r.out) && !r.asJSON
			return r.run(c.Context(), c.InOrStdin(), args[0])
		},
	}
	c.Flags().StringVar(&r.config, "config", "", "the filter's configuration, JSON; an http-wasm handler's in its own form")
	c.Flags().StringArrayVar(&r.facts, "facts", nil, "a fact it may ask for, NAME=VALUE, such as principal.tenant=red; may be repeated")
	c.Flags().StringVar(&r.on, "on", "", "request or response (default: the first that the module has a hook for)")
	c.Flags().StringVar(&r.role, "role", "", "the role of the text's author (default: user on requests, assistant on answers)")
	c.Flags().IntVar(&r.stream, "stream", 0, "cut the text into pieces of so many bytes, as a stream, and mark where each lets text go")
	c.Flags().BoolVar(&r.body, "body", false, "the input is JSON, for on_request, on_response or an http-wasm handler")
	c.Flags().BoolVar(&r.asJSON, "json", false, "print JSON")
	return c
}

func (r *running) run(ctx context.Context, in io.Reader, arg string) error {
	s, err := openSource(arg, "")
	if err != nil {
		return err
	}
	facts, err := r.granted()
	if err != nil {
		return err
	}
	e, err := filterEngine()
	if err != nil {
		return err
	}
	defer func() { _ = e.Close(ctx) }()
	spec := filter.Spec{Name: s.name, Module: s.module}
	if r.config != "" {
		spec.Config = []byte(r.config)
	}
	p, err := e.Probe(ctx, spec, facts)
	if err != nil {
		return fmt.Errorf("%s: %w", arg, err)
	}
	defer p.Close(ctx)
	d, err := r.direction(p)
	if err != nil {
		return err
	}
	if terminal(in) {
		return r.lines(ctx, in, p, d)
	}
	b, err := io.ReadAll(io.LimitReader(in, maxModule+1))
	if err != nil {
		return err
	}
	if len(b) > maxModule {
		return fmt.Errorf("the input is over the limit of %d bytes", maxModule)
	}
	return r.text(ctx, p, d, string(b))
}

// lines takes each line of a terminal as a text of its own, until the end of the input.
func (r *running) lines(ctx context.Context, in io.Reader, p *filter.Probe, d filter.Direction) error {
	fmt.Fprintf(r.err, "%s on %s; each line is a text, Ctrl-D ends\n", p.Filter().Name(), d)
	sc := bufio.NewScanner(in)
	for {
		fmt.Fprint(r.err, "> ")
		if ctx.Err() != nil || !sc.Scan() {
			fmt.Fprintln(r.err)
			return sc.Err()
		}
		if sc.Text() == "" {
			continue
		}
		if err := r.text(ctx, p, d, sc.Text()); err != nil {
			fmt.Fprintln(r.err, "sluice:", err)
		}
		fmt.Fprintln(r.out)
	}
}

// granted reads --facts.
func (r *running) granted() (map[string]string, error) {
	out := map[string]string{}
	for _, f := range r.facts {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, fmt.Errorf("--facts %q: want NAME=VALUE, such as principal.tenant=red", f)
		}
		out[name] = value
	}
	return out, nil
}

// direction reads --on, or chooses the first direction that the module has a hook for.
func (r *running) direction(p *filter.Probe) (filter.Direction, error) {
	if r.on != "" {
		return directionOf(r.on)
	}
	want := []string{"request.text", "answer.text"}
	if r.body {
		want = []string{"on_request", "on_response"}
	}
	for d, hook := range want {
		if slices.Contains(p.Filter().Hooks(), hook) {
			return filter.Direction(d), nil
		}
	}
	for _, hook := range []string{"on_request", "handle_request"} {
		switch {
		case !slices.Contains(p.Filter().Hooks(), hook):
		case r.body:
			return filter.OnRequest, nil
		default:
			return 0, fmt.Errorf("the module has no on_text, but %s: add --body and give it JSON", hook)
		}
	}
	return 0, fmt.Errorf("the module has no such hook; it has %s", strings.Join(p.Filter().Hooks(), ", "))
}

// text takes one text, or body, through the filter and prints what came of it.
func (r *running) text(ctx context.Context, p *filter.Probe, d filter.Direction, text string) error {
	if !utf8.ValidString(text) {
		return errors.New("the input is not UTF-8")
	}
	if r.body {
		if !json.Valid([]byte(text)) {
			return errors.New("the input is not JSON, which --body wants")
		}
		res, err := p.Body(ctx, d, json.RawMessage(text))
		return r.finish(res, nil, "", err)
	}
	role, err := roleOf(r.role, d)
	if err != nil {
		return err
	}
	chunks := []string{text}
	if r.stream > 0 {
		chunks = filter.Chunks(text, r.stream)
	}
	var spans []spanned
	var edited strings.Builder
	at, left := 0, len(chunks)
	res, err := p.Text(ctx, d, role, chunks, func(out string, parts []filter.Part, held int) {
		edited.WriteString(out)
		spans, at = locate(spans, out, parts, at)
		if !r.asJSON {
			r.show(out, parts)
			left--
			r.mark(left > 0, held)
		}
	})
	return r.finish(res, spans, edited.String(), err)
}

func roleOf(name string, d filter.Direction) (wire.Role, error) {
	if name == "" && d == filter.OnAnswer {
		return wire.RoleAssistant, nil
	}
	if name == "" {
		return wire.RoleUser, nil
	}
	var names []string
	for r := wire.RoleOther; r <= wire.RoleDefinition; r++ {
		if r.String() == name {
			return r, nil
		}
		names = append(names, r.String())
	}
	return 0, fmt.Errorf("--role %q: want one of %s", name, strings.Join(names, ", "))
}

// spanned is a finding or replacement, in bytes of the text that went in.
type spanned struct {
	Kind  string `json:"kind,omitempty"` // none for a replacement
	Start int    `json:"start"`
	End   int    `json:"end"`
	Text  string `json:"text"`
	With  string `json:"with,omitempty"` // what a replacement puts in
}

// locate adds the parts of a piece that came out, whose text begins at a byte of what went in, and returns where the next
// piece's does.
func locate(spans []spanned, out string, parts []filter.Part, at int) ([]spanned, int) {
	pos := 0
	for _, p := range parts {
		at += p.From - pos
		s := spanned{Kind: p.Kind, Start: at, End: at + len(p.Text), Text: p.Text}
		if p.Kind == "" {
			s.With = out[p.From:p.To]
		}
		spans, at, pos = append(spans, s), s.End, p.To
	}
	return spans, at + len(out) - pos
}

// show prints what a chunk let go.
func (r *running) show(out string, parts []filter.Part) {
	if !r.colour {
		fmt.Fprint(r.out, out)
		return
	}
	pos := 0
	for _, p := range parts {
		fmt.Fprint(r.out, visible(out[pos:p.From]))
		if p.Kind != "" {
			fmt.Fprint(r.out, r.kinds.badge(p.Kind, visible(p.Text)))
		} else {
			fmt.Fprint(r.out, gone, visible(p.Text), plainText, greenText, visible(out[p.From:p.To]), plainText)
		}
		pos = p.To
	}
	fmt.Fprint(r.out, visible(out[pos:]))
}

// mark tells on a terminal where a chunk ended that others follow, and how many bytes are held back.
func (r *running) mark(follows bool, held int) {
	switch {
	case !follows || !r.colour:
	case held > 0:
		fmt.Fprintf(r.out, "%s|+%d%s", faintText, held, plainText)
	default:
		fmt.Fprintf(r.out, "%s|%s", faintText, plainText)
	}
}

// finish prints what is no text: to standard error, so that standard output is the text alone.
func (r *running) finish(res filter.Probed, spans []spanned, edited string, err error) error {
	if err != nil {
		return err
	}
	if r.asJSON {
		return r.json(res, spans, edited)
	}
	if r.colour && edited != "" && !strings.HasSuffix(edited, "\n") {
		fmt.Fprintln(r.out)
	}
	for _, name := range slices.Sorted(maps.Keys(res.Set)) {
		fmt.Fprintf(r.out, "set %s = %s\n", name, res.Set[name])
	}
	for _, m := range res.Messages {
		fmt.Fprintf(r.out, "add %s %s message: %q\n", m.Where, m.Role, m.Text)
	}
	faint, bold, off := "", "", ""
	if colours(r.err) {
		faint, bold, off = faintText, boldText+redText, plainText
	}
	if res.Body != nil {
		fmt.Fprintf(r.out, "%s\n", bytes.TrimRight(res.Body, "\n"))
	}
	if res.Reject != "" {
		fmt.Fprintf(r.err, "%srejected: %s%s\n", bold, res.Reject, off)
	}
	for _, key := range slices.Sorted(maps.Keys(res.Labels)) {
		fmt.Fprintf(r.err, "%slabel %s = %v%s\n", faint, key, res.Labels[key], off)
	}
	fmt.Fprintf(r.err, "%s%s, %s, %d units of fuel, %s of guest time, %d KiB of memory%s\n",
		faint, count(len(spans), "span"), count(int(res.Calls), "call"), res.Units, short(res.Time), res.Memory>>10, off)
	return nil
}

// count spells a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (r *running) json(res filter.Probed, spans []spanned, edited string) error {
	enc := json.NewEncoder(r.out)
	enc.SetEscapeHTML(false)
	if spans == nil {
		spans = []spanned{}
	}
	return enc.Encode(struct {
		Text     string                     `json:"text,omitempty"` // findings spelled <kind:text>
		Spans    []spanned                  `json:"spans"`
		Labels   map[string]any             `json:"labels,omitempty"`
		Reject   string                     `json:"reject,omitempty"`
		Set      map[string]json.RawMessage `json:"set,omitempty"`
		Messages []filter.VectorMessage     `json:"messages,omitempty"`
		Body     string                     `json:"body,omitempty"` // what an http-wasm handler wrote
		Calls    int64                      `json:"calls"`
		Units    int64                      `json:"units"`
		Nanos    int64                      `json:"guest_ns"`
		Memory   int                        `json:"memory_bytes"`
	}{edited, spans, res.Labels, res.Reject, res.Set, res.Messages, string(res.Body), res.Calls, res.Units, res.Time.Nanoseconds(), res.Memory})
}
