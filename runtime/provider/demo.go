package provider

import (
	"context"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// What tells the demo endpoint from a model, in every answer. The label is never cut, whatever max_tokens says.
const (
	demoModel       = "sluice-demo"
	demoFingerprint = "sluice-demo-not-a-model"
	demoLabel       = "[sluice demo endpoint: this is not a model; it repeats what it received] "
)

// demo is an endpoint inside the process for trying the gateway without a model server: it answers with what it was sent,
// in the OpenAI API's form. Its usage tokens are words.
type demo struct{ delay time.Duration }

func newDemo(o Options) (upstream.Caller, error) { return &demo{delay: o.WordDelay}, nil }

// Call answers at once; a stream's words come with the configured pause.
func (d *demo) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	doc, err := strictjson.Parse(c.Body, strictjson.Limits{MaxBytes: 64 << 20})
	if err != nil {
		return nil, refuse("")
	}
	defer doc.Release()
	root := doc.Root()
	if n := root.Get("n"); n.Kind() != strictjson.Invalid && n.Kind() != strictjson.Null {
		if v, ok := n.Int64(); !ok || v != 1 {
			return nil, refuse("n")
		}
	}
	switch c.Operation {
	case wire.ChatCompletions, wire.Inference:
		return d.chat(ctx, root, c)
	case wire.Completions:
		return d.complete(ctx, root, c)
	case wire.Embeddings:
		return embed(root)
	default:
		return nil, unsupported(c.Operation)
	}
}

// refuse is the failure of a request that the demo cannot take, as a model server's 400 would be.
func refuse(param string) error {
	f := upstream.FromStatus(400, 0)
	f.Param = param
	return f
}

func (d *demo) chat(ctx context.Context, root strictjson.Node, c *upstream.Call) (*upstream.Reply, error) {
	messages := root.Get("messages")
	if messages.Kind() != strictjson.Array || messages.Len() == 0 {
		return nil, refuse("messages")
	}
	last, lastUser, words := "", "", 0
	for m := range messages.Elements() {
		last = contentText(m.Get("content"))
		words += countWords(last)
		if m.Get("role").Is("user") {
			lastUser = last
		}
	}
	if lastUser == "" {
		lastUser = last
	}
	a := newDemoAnswer(root, c, []string{lastUser})
	a.input = words
	return d.reply(ctx, a, c.Stream), nil
}

// contentText is a message's text: a string, or the text parts of a list.
func contentText(content strictjson.Node) string {
	if content.Kind() == strictjson.String {
		return content.Str()
	}
	var b strings.Builder
	if content.Kind() == strictjson.Array {
		for part := range content.Elements() {
			b.Write(part.Get("text").Bytes())
		}
	}
	return b.String()
}

func (d *demo) complete(ctx context.Context, root strictjson.Node, c *upstream.Call) (*upstream.Reply, error) {
	prompts := texts(root.Get("prompt"))
	if len(prompts) == 0 {
		return nil, refuse("prompt")
	}
	a := newDemoAnswer(root, c, prompts)
	a.plain = true
	for _, p := range prompts {
		a.input += countWords(p)
	}
	return d.reply(ctx, a, c.Stream), nil
}

// texts reads a prompt or input: a string or a list of strings. Lists of token ids become their JSON text, for want of
// a tokenizer.
func texts(n strictjson.Node) []string {
	switch n.Kind() {
	case strictjson.String:
		return []string{n.Str()}
	case strictjson.Array:
	default:
		return nil
	}
	var out []string
	for e := range n.Elements() {
		switch e.Kind() {
		case strictjson.String:
			out = append(out, e.Str())
		case strictjson.Number:
			return []string{string(n.Raw())}
		default:
			out = append(out, string(e.Raw()))
		}
	}
	return out
}

func countWords(s string) int {
	n := 0
	for range strings.FieldsSeq(s) {
		n++
	}
	return n
}

func (d *demo) reply(ctx context.Context, a *demoAnswer, stream bool) *upstream.Reply {
	if !stream {
		return &upstream.Reply{Status: 200, Body: a.whole()}
	}
	return &upstream.Reply{Status: 200, Events: &demoEvents{ctx: ctx, answer: a, delay: d.delay}}
}
