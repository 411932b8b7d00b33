package strictjson

import (
	"slices"
	"strconv"
)

// settleKeys finds the edited keys that would make their object name a key twice (two addresses masked alike, say)
// and gives each a suffix that keeps it apart, such as "_2". Keys that no edit touched keep their names.
func (d *Doc) settleKeys(root []Override) map[uint32]string {
	suffixes := make(map[uint32]string)
	for at := range d.editedObjects() {
		taken := d.plainKeys(at, root)
		for i, end := at+1, d.tape[at].next; i < end; i = d.tape[i+1].next {
			if o := d.sortedOp(i, opText); o != nil {
				name := string(o.text.partText(o.part))
				suffixes[i] = apart(taken, name)
			}
		}
	}
	return suffixes
}

// apart takes a name and returns the suffix it needs. taken holds, for each name, the last number tried with it, so
// that many equal names cost no more than they must.
func apart(taken map[string]int, name string) string {
	n, found := taken[name]
	if !found {
		taken[name] = 1
		return ""
	}
	for found {
		n++
		_, found = taken[name+"_"+strconv.Itoa(n)]
	}
	suffix := "_" + strconv.Itoa(n)
	taken[name], taken[name+suffix] = n, 1
	return suffix
}

// editedObjects is the set of the objects that have an edited key.
func (d *Doc) editedObjects() map[uint32]struct{} {
	objects := make(map[uint32]struct{})
	var open []uint32 // the containers that hold the entry in hand
	for i := range uint32(len(d.tape)) {
		for len(open) > 0 && d.tape[open[len(open)-1]].next <= i {
			open = open[:len(open)-1]
		}
		e := d.tape[i]
		if e.flags&flagKey != 0 && e.flags&flagEdited != 0 {
			objects[open[len(open)-1]] = struct{}{}
		}
		if e.kind >= Array {
			open = append(open, i)
		}
	}
	return objects
}

// plainKeys is the set of names that no edit changes: of an object's own members, of those that Set adds, and of
// those that the overrides add.
func (d *Doc) plainKeys(at uint32, root []Override) map[string]int {
	taken := make(map[string]int)
	for i, end := at+1, d.tape[at].next; i < end; i = d.tape[i+1].next {
		if d.tape[i].flags&flagEdited == 0 {
			taken[string(d.text(i))] = 1
		}
	}
	if o := d.sortedOp(at, opShape); o != nil {
		for _, a := range o.add {
			taken[a.key] = 1
		}
	}
	if at == 0 {
		for _, o := range root {
			taken[o.Key] = 1
		}
	}
	return taken
}

// sortedOp is findOp for ops that are sorted, and so fit for going through a large document.
func (d *Doc) sortedOp(at uint32, kind opKind) *op {
	i, found := slices.BinarySearchFunc(d.ops, op{at: at, kind: kind}, compareOps)
	if !found {
		return nil
	}
	return &d.ops[i]
}

// partText is the current text of one part.
func (t *Text) partText(part int) []byte {
	var out []byte
	for _, p := range t.pieces {
		switch {
		case p.part != part:
		case p.with != nil:
			out = append(out, p.with...)
		default:
			out = append(out, t.orig[p.start:p.end]...)
		}
	}
	return out
}
