package strictjson

import "slices"

// Render appends the body with all edits applied. What no edit touched leaves byte for byte as it came, white space
// and the spelling of escapes and numbers included. The result passes Parse again (except for MaxBytes, which edits
// may exceed). Without edits it is the body.
func (d *Doc) Render(dst []byte) []byte { return d.RenderWith(dst, nil) }

// Override says how one member of the root object leaves: with Raw as its value, put last where the body has no such
// member, or not at all where Raw is nil.
type Override struct {
	Key string
	Raw []byte // JSON, taken on trust
}

// RenderWith is Render with members of the root object overridden; overrides win over Set and Delete. The Doc stays
// as it is, so one request can be rendered for several model servers. Where the root is no object, root is ignored.
func (d *Doc) RenderWith(dst []byte, root []Override) []byte {
	d.sortOps()
	r := renderer{d: d, out: slices.Grow(dst, len(d.b))}
	if d.tape[0].kind == Object {
		r.root = root
	}
	if d.keyEdits {
		r.suffixes = d.settleKeys(r.root)
	}
	end := len(d.b)
	if len(r.root) == 0 {
		r.span(0, end, uint32(len(d.tape)))
		return r.out
	}
	e := d.tape[0]
	r.copy(0, int(e.start))
	r.container(0)
	r.copy(int(e.end), end)
	return r.out
}

// renderer goes once over the ops, which are in document order, and copies what lies between them.
type renderer struct {
	d        *Doc
	out      []byte
	next     int // the next op
	root     []Override
	suffixes map[uint32]string // of edited keys that would be duplicates
}

func (r *renderer) copy(from, to int) { r.out = append(r.out, r.d.b[from:to]...) }

// span renders bytes from..to, which hold the entries before limit that are not rendered yet.
func (r *renderer) span(from, to int, limit uint32) {
	for r.next < len(r.d.ops) && r.d.ops[r.next].at < limit {
		o := &r.d.ops[r.next]
		e := &r.d.tape[o.at]
		r.copy(from, int(e.start))
		from = int(e.end)
		switch o.kind {
		case opShape:
			r.container(o.at)
		case opText:
			r.next++
			r.out = o.text.appendPart(r.out, o.part, o.base, r.suffixes[o.at])
		case opValue:
			r.out = append(r.out, o.raw...)
			r.pass(e.next)
		case opDrop: // its container leaves it out before it comes here
			r.next++
		}
	}
	r.copy(from, to)
}

// pass leaves out the ops on entries before limit.
func (r *renderer) pass(limit uint32) {
	for r.next < len(r.d.ops) && r.d.ops[r.next].at < limit {
		r.next++
	}
}

// takeOp tells whether the next op is of this kind on this entry, and goes past it.
func (r *renderer) takeOp(at uint32, kind opKind) *op {
	if r.next < len(r.d.ops) && r.d.ops[r.next].at == at && r.d.ops[r.next].kind == kind {
		r.next++
		return &r.d.ops[r.next-1]
	}
	return nil
}

// container renders an object or array whose members change.
func (r *renderer) container(at uint32) {
	d, e := r.d, r.d.tape[at]
	var add []addition
	if o := r.takeOp(at, opShape); o != nil {
		add = o.add
	}
	// The white space before the first member, and before the bracket at the end, stays where it is.
	tail := int(e.start) + 1
	if at+1 < e.next {
		tail = int(d.tape[at+1].start)
	}
	r.copy(int(e.start), tail)
	empty := r.additions(at, add, true, true)
	for i := at + 1; i < e.next; {
		value := i
		if e.kind == Object {
			value++
		}
		last := &d.tape[value]
		if !r.dropped(at, i, last.next) {
			if !empty {
				r.separator(tail, int(d.tape[i].start))
			}
			r.member(at, i, last)
			empty = false
		}
		tail, i = int(last.end), last.next
	}
	empty = r.additions(at, add, false, empty)
	if at == 0 {
		r.overrides(empty)
	}
	r.copy(tail, int(e.end))
}

// separator writes what stands between two members: a comma and its white space as they came, or a comma alone
// before what was the first member and has become another.
func (r *renderer) separator(from, to int) {
	if from == to {
		r.out = append(r.out, ',')
		return
	}
	r.copy(from, to)
}

// dropped tells whether the member or element at i is left out; its ops are then passed.
func (r *renderer) dropped(container, i, limit uint32) bool {
	drop := r.takeOp(i, opDrop) != nil
	if o := r.override(container, i); o != nil {
		drop = o.Raw == nil
	}
	if drop {
		r.pass(limit)
	}
	return drop
}

// override is the override of the member with the key at i, or nil.
func (r *renderer) override(container, i uint32) *Override {
	if container != 0 {
		return nil
	}
	for j := range r.root {
		if r.d.is(i, r.root[j].Key) {
			return &r.root[j]
		}
	}
	return nil
}

// member renders the member or element that begins with the entry i and ends with last.
func (r *renderer) member(container, i uint32, last *entry) {
	start := int(r.d.tape[i].start)
	o := r.override(container, i)
	if o == nil {
		r.span(start, int(last.end), last.next)
		return
	}
	r.copy(start, int(last.start))
	r.out = append(r.out, o.Raw...)
	r.pass(last.next)
}

// additions writes the new members that stand first, or those that stand last, and returns whether the container is
// empty yet. What an override of the root names is left to it.
func (r *renderer) additions(container uint32, add []addition, first, empty bool) bool {
	for _, a := range add {
		named := func(o Override) bool { return o.Key == a.key }
		if a.first != first || container == 0 && slices.ContainsFunc(r.root, named) {
			continue
		}
		if !empty {
			r.out = append(r.out, ',')
		}
		if r.d.tape[container].kind == Object {
			r.key(a.key)
		}
		r.out = append(r.out, a.raw...)
		empty = false
	}
	return empty
}

// overrides writes the overrides of members that the root does not have.
func (r *renderer) overrides(empty bool) {
	for _, o := range r.root {
		if o.Raw == nil || r.d.Root().find(o.Key).d != nil {
			continue
		}
		if !empty {
			r.out = append(r.out, ',')
		}
		r.key(o.Key)
		r.out = append(r.out, o.Raw...)
		empty = false
	}
}

func (r *renderer) key(key string) { r.out = append(AppendString(r.out, key), ':') }
