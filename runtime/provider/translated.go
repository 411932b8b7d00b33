package provider

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/translate"
)

// translated stands before a dialect: a request in one of the dialect's own formats passes as it is, one in another format
// is translated, and so is its answer, event by event where it streams. Whoever calls sees its own format only.
type translated struct {
	native  upstream.Caller
	formats []string
	options translate.Options
}

// Unwrap gives the dialect.
func (t *translated) Unwrap() upstream.Caller { return t.native }

// Close closes the dialect if it can be closed.
func (t *translated) Close() error {
	if c, ok := t.native.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Probe probes the dialect if it can be probed.
func (t *translated) Probe(ctx context.Context) error {
	p, ok := t.native.(interface {
		Probe(ctx context.Context) error
	})
	if !ok {
		return nil
	}
	return p.Probe(ctx)
}

// Call sends c, translated where that is needed. What cannot be translated is not sent: the failure names the field, and
// another endpoint may speak the format.
func (t *translated) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	formats := t.formats
	if n, ok := t.native.(polyglot); ok {
		formats = n.formats(c.Model)
	}
	if c.Format == "" || slices.Contains(formats, c.Format) {
		return t.native.Call(ctx, c)
	}
	for _, to := range formats {
		if pair, ok := translate.Between(c.Format, to); ok {
			return t.through(ctx, pair, c)
		}
	}
	return nil, unsupported(c.Operation)
}

func (t *translated) through(ctx context.Context, pair translate.Pair, c *upstream.Call) (*upstream.Reply, error) {
	bodies, asked, err := pair.Requests(c.Body, t.options)
	if err != nil {
		return nil, untold(err)
	}
	if len(bodies) > 1 {
		return t.several(ctx, pair, c, bodies, asked)
	}
	reply, err := t.ask(ctx, pair, c, bodies[0])
	if err != nil {
		return nil, err
	}
	if reply.Events != nil {
		reply.Events = &translatedEvents{native: reply.Events, stream: pair.Stream(asked)}
		return reply, nil
	}
	return answered(pair, reply, asked, reply.Body)
}

// several sends the requests that c has become. Their answers are one, in the requests' order.
func (t *translated) several(ctx context.Context, pair translate.Pair, c *upstream.Call, bodies [][]byte, asked translate.Asked) (*upstream.Reply, error) {
	replies := make([]*upstream.Reply, len(bodies))
	all := beside{call: c, n: len(bodies), send: func(ctx context.Context, i int) (err error) {
		replies[i], err = t.ask(ctx, pair, c, bodies[i])
		return err
	}}
	if err := all.run(ctx); err != nil {
		return nil, err
	}
	answers := make([][]byte, len(replies))
	for i, r := range replies {
		answers[i] = r.Body
	}
	return answered(pair, replies[len(replies)-1], asked, answers...)
}

// ask sends one translated body.
func (t *translated) ask(ctx context.Context, pair translate.Pair, c *upstream.Call, body []byte) (*upstream.Reply, error) {
	out := *c
	out.Operation, out.Format, out.Body = pair.Operation(), pair.To(), body
	return t.native.Call(ctx, &out)
}

// answered makes the reply to c of the bodies that came.
func answered(pair translate.Pair, reply *upstream.Reply, asked translate.Asked, bodies ...[]byte) (*upstream.Reply, error) {
	var err error
	if reply.Body, err = pair.Answer(nil, asked, bodies...); err != nil {
		return nil, upstream.Broken("the answer cannot be translated: %w", err)
	}
	return reply, nil
}

// polyglot is a dialect whose models do not all speak the same formats.
type polyglot interface{ formats(model string) []string }

// untold is the failure of a request that cannot be said in the dialect's formats.
func untold(err error) error {
	f := &upstream.Failure{Code: wire.UnsupportedField, Retry: upstream.RetryElsewhere, Cause: err}
	if fault := (*wire.Fault)(nil); errors.As(err, &fault) {
		f.Param = fault.Param
	}
	return f
}

// translatedEvents is a stream whose events are translated: for one event of the dialect's there may be none or several.
type translatedEvents struct {
	native upstream.Events
	stream *translate.Stream
}

// Next gives the data of the next translated event. A stream that was cut stays cut, whatever was made of it so far.
func (e *translatedEvents) Next() ([]byte, error) {
	for {
		if data, ok := e.stream.Next(); ok {
			return data, nil
		}
		data, err := e.native.Next()
		if err != nil {
			return nil, err
		}
		if err := e.stream.Event(data); err != nil {
			return nil, upstream.Interrupted(err)
		}
	}
}

// Ready tells whether an event is translated already.
func (e *translatedEvents) Ready() bool { return e.stream.Ready() }

// Close ends the stream.
func (e *translatedEvents) Close() error { return e.native.Close() }
