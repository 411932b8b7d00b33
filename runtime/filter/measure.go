package filter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// MeasureOptions say how a module is measured. The zero value works.
type MeasureOptions struct {
	Text     string        // what texts are made of, repeated and cut; "" is English prose without findings
	For      time.Duration // how long each figure is measured: 200 ms
	CacheDir string        // for compiled modules; it should be empty, so that compiling is seen. "" measures no cache
	On       Direction
}

// Measurement is what a filter costs. Times are the best of many rounds, which other work on the machine disturbs least.
type Measurement struct {
	Compile     time.Duration // from bytes to native code, none of it cached, with configuration and warm-up
	FromCache   time.Duration // the same with the code from the cache on disk, and the first exchange answered
	Cold        time.Duration // a first exchange of 1 KB when no instance is alive
	Instantiate time.Duration // a fresh instance
	Reset       time.Duration // put back to the snapshot after a text of 1 KB; 0 where that can't be done
	Memory      int           // bytes of linear memory of one instance
	Restorable  bool
	Texts       []TextCost // 64 B, 1 KB, 16 KB; empty where the module has no hook for the direction
	Delta       TextCost   // a piece of 5 bytes of a stream
}

// TextCost is what one text costs.
type TextCost struct {
	Bytes int
	Time  time.Duration // of the exchange: copying in, calls, edits and reset
	Guest time.Duration // of it, in the guest
	Units int64         // of fuel
	Body  bool          // it went to on_request or on_response, within a JSON body
}

// measured are the sizes of texts.
var measured = [...]int{64, 1 << 10, 16 << 10}

// english is text as people write it, without anything that filters look for.
const english = "The quick brown fox jumps over the lazy dog, and nobody minds it at all. "

// Measure measures a module. Of the Spec it takes name, module, configuration and limits.
func Measure(ctx context.Context, s Spec, o MeasureOptions) (Measurement, error) {
	if o.For <= 0 {
		o.For = 200 * time.Millisecond
	}
	if o.Text == "" {
		o.Text = english
	}
	var m Measurement
	var err error
	if m.Compile, err = o.load(ctx, s); err != nil {
		return m, err
	}
	if o.CacheDir != "" {
		for range 3 {
			took, err := o.load(ctx, s)
			if err != nil {
				return m, err
			}
			m.FromCache = best(m.FromCache, took)
		}
	}
	e, err := NewEngine(Options{CacheDir: o.CacheDir})
	if err != nil {
		return m, err
	}
	defer func() { _ = e.Close(ctx) }()
	p, err := e.Probe(ctx, s, nil)
	if err != nil {
		return m, err
	}
	defer p.Close(ctx)
	return m, o.measure(ctx, &m, p.f)
}

// load takes the module through an engine of its own, as a process that starts does, up to its first exchange.
func (o *MeasureOptions) load(ctx context.Context, s Spec) (time.Duration, error) {
	begun := time.Now()
	e, err := NewEngine(Options{CacheDir: o.CacheDir})
	if err != nil {
		return 0, err
	}
	defer func() { _ = e.Close(ctx) }()
	p, err := e.Probe(ctx, s, nil)
	if err != nil {
		return 0, err
	}
	defer p.Close(ctx)
	if x := o.exchange(p.f, measured[1]); x != nil {
		err = x(ctx)
	}
	return time.Since(begun), err
}

// measure fills in what a loaded filter shows.
func (o *MeasureOptions) measure(ctx context.Context, m *Measurement, f *Filter) error {
	m.Restorable = len(f.mod.unrestorable) == 0
	for _, size := range measured {
		x := o.exchange(f, size)
		if x == nil {
			break
		}
		c, err := o.cost(ctx, f, size, x)
		if err != nil {
			return fmt.Errorf("a text of %d bytes: %w", size, err)
		}
		c.Body = !f.hooks.text(o.On)
		m.Texts = append(m.Texts, c)
	}
	if f.hooks.text(o.On) {
		if err := o.delta(ctx, m, f); err != nil {
			return fmt.Errorf("a stream: %w", err)
		}
	}
	if err := o.instances(ctx, m, f); err != nil {
		return err
	}
	m.Memory = f.stats.memory
	return nil
}

// exchange gives one exchange with a text of so many bytes; nil where the module has no hook for the direction.
func (o *MeasureOptions) exchange(f *Filter, size int) func(context.Context) error {
	text := strings.Repeat(o.Text, size/len(o.Text)+1)[:size]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	v := &Vector{Text: &text}
	if !v.wants(f, o.On) {
		v = &Vector{Body: fmt.Appendf(nil, `{"model":"m","messages":[{"role":"user","content":%q}]}`, text)}
	}
	if !v.wants(f, o.On) {
		return nil
	}
	return func(ctx context.Context) error {
		if out := f.once(ctx, v, o.On, 0, provers[0]); out.failed != "" {
			return errors.New(out.failed)
		}
		return ctx.Err()
	}
}

// cost runs exchanges in rounds and keeps the best round.
func (o *MeasureOptions) cost(ctx context.Context, f *Filter, size int, x func(context.Context) error) (TextCost, error) {
	c := TextCost{Bytes: size}
	before := f.Stats()
	if err := x(ctx); err != nil {
		return c, err
	}
	c.Units = f.Stats().Units - before.Units
	for end := time.Now().Add(o.For); time.Now().Before(end); {
		before, begun := f.Stats(), time.Now()
		const round = 16
		for range round {
			if err := x(ctx); err != nil {
				return c, err
			}
		}
		c.Time = best(c.Time, time.Since(begun)/round)
		c.Guest = best(c.Guest, (f.Stats().Time-before.Time)/round)
	}
	return c, nil
}

// delta measures pieces of a stream. It begins a new one now and then: a stream has a budget.
func (o *MeasureOptions) delta(ctx context.Context, m *Measurement, f *Filter) error {
	const round = 256
	pieces := Chunks(strings.Repeat(o.Text, round*5/len(o.Text)+1), 5)[:round]
	m.Delta.Bytes = 5
	for end := time.Now().Add(o.For); time.Now().Before(end); {
		p, err := f.alone(nil, provers[0])
		if err != nil {
			return err
		}
		in := feed{r: &p.runs[0], t: (&Vector{}).progress(o.On, true)}
		var out []byte
		before, begun := f.Stats(), time.Now()
		for _, piece := range pieces {
			if out, err = in.push(ctx, out[:0], []byte(piece), false); err != nil {
				break
			}
		}
		took := time.Since(begun)
		p.Close()
		if err != nil {
			return err
		}
		after := f.Stats()
		m.Delta.Time = best(m.Delta.Time, took/round)
		m.Delta.Guest = best(m.Delta.Guest, (after.Time-before.Time)/round)
		m.Delta.Units = (after.Units - before.Units) / round
	}
	return nil
}

// instances measures making, putting back and coming back to life.
func (o *MeasureOptions) instances(ctx context.Context, m *Measurement, f *Filter) error {
	x := o.exchange(f, measured[1])
	for end, n := time.Now().Add(o.For), 0; n < 3 || time.Now().Before(end); n++ {
		begun := time.Now()
		in, err := f.instance(ctx)
		if err != nil {
			return err
		}
		m.Instantiate = best(m.Instantiate, time.Since(begun))
		in.close()
		f.pool.reap(now() + f.spec.Limits.Idle)
		if x == nil {
			continue
		}
		begun = time.Now()
		if err := x(ctx); err != nil {
			return err
		}
		m.Cold = best(m.Cold, time.Since(begun))
	}
	if !m.Restorable || !f.hooks.text(o.On) {
		return nil
	}
	for range 64 {
		took, err := o.reset(ctx, f)
		if err != nil {
			return err
		}
		m.Reset = best(m.Reset, took)
	}
	return nil
}

// reset measures the reset after one text.
func (o *MeasureOptions) reset(ctx context.Context, f *Filter) (time.Duration, error) {
	p, err := f.alone(nil, provers[0])
	if err != nil {
		return 0, err
	}
	defer p.Close()
	in := feed{r: &p.runs[0], t: (&Vector{}).progress(o.On, false)}
	if _, err := in.push(ctx, nil, []byte(strings.Repeat(o.Text, measured[1]/len(o.Text)+1)), true); err != nil {
		return 0, err
	}
	begun := time.Now()
	p.Close()
	return time.Since(begun), nil
}

// best is the smaller of two times, the first of which is 0 where there is none yet.
func best(was, took time.Duration) time.Duration {
	if was == 0 {
		return took
	}
	return min(was, took)
}
