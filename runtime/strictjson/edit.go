package strictjson

import (
	"cmp"
	"fmt"
	"slices"
)

// op is one edit of the document, to be carried out when it is rendered.
type op struct {
	at   uint32 // the tape entry it is about
	kind opKind
	text *Text // opText: the edited text, which of its parts the entry is, and where that began
	part int
	base int
	raw  []byte     // opValue: the JSON in place of the value
	add  []addition // opShape: what is put into the container
}

// opKind is in the order in which edits of one entry take precedence.
type opKind uint8

const (
	opDrop  opKind = iota // leave out the member with this key
	opValue               // put other JSON in the place of this value
	opShape               // this container gains or loses members or elements
	opText                // write this string from its Text
)

// addition is a new member of an object or element of an array.
type addition struct {
	first bool
	key   string // of a member
	raw   []byte
}

func (d *Doc) addOp(o op) *op {
	d.ops = append(d.ops, o)
	d.sorted = false
	return &d.ops[len(d.ops)-1]
}

// findOp is the op of a kind on an entry, or nil.
func (d *Doc) findOp(at uint32, kind opKind) *op {
	for i := range d.ops {
		if d.ops[i].at == at && d.ops[i].kind == kind {
			return &d.ops[i]
		}
	}
	return nil
}

// shape is the op that changes a container's members, made if there is none.
func (d *Doc) shape(at uint32) *op {
	if o := d.findOp(at, opShape); o != nil {
		return o
	}
	return d.addOp(op{at: at, kind: opShape})
}

// sortOps puts the ops in the order of the document.
func (d *Doc) sortOps() {
	if d.sorted {
		return
	}
	slices.SortFunc(d.ops, compareOps)
	d.sorted = true
}

func compareOps(a, b op) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind))
}

// Set gives an object's member a new value, or puts a new member last. raw is copied after it was read strictly: the
// error says what is wrong with it (an *Error), or that obj is no object of this Doc. Edits of Texts inside a
// replaced value are lost with it.
func (d *Doc) Set(obj Node, key string, raw []byte) error {
	raw, err := d.take(obj, Object, raw)
	if err != nil {
		return err
	}
	if member := obj.find(key); member.d != nil {
		d.setValue(member.i, raw)
		return nil
	}
	o := d.shape(obj.i)
	for i := range o.add {
		if o.add[i].key == key {
			o.add[i].raw = raw
			return nil
		}
	}
	o.add = append(o.add, addition{key: key, raw: raw})
	return nil
}

// setValue puts JSON in the place of the value of the member with the key at i, also where it was deleted.
func (d *Doc) setValue(i uint32, raw []byte) {
	d.ops = slices.DeleteFunc(d.ops, func(o op) bool { return o.at == i && o.kind == opDrop })
	if o := d.findOp(i+1, opValue); o != nil {
		o.raw = raw
		return
	}
	d.addOp(op{at: i + 1, kind: opValue, raw: raw})
}

// Delete takes a member out of an object, its comma with it. A member that is not there is no error; that obj is no
// object of this Doc is one.
func (d *Doc) Delete(obj Node, key string) error {
	if obj.d != d || obj.Kind() != Object {
		return fmt.Errorf("cannot delete a member: the node is %s, not an object of this document", obj.Kind())
	}
	if member := obj.find(key); member.d != nil {
		d.shape(obj.i)
		if d.findOp(member.i, opDrop) == nil {
			d.addOp(op{at: member.i, kind: opDrop})
		}
		return nil
	}
	if o := d.findOp(obj.i, opShape); o != nil {
		o.add = slices.DeleteFunc(o.add, func(a addition) bool { return a.key == key })
	}
	return nil
}

// Insert puts a new element before all others of an array, or after them. raw is copied after it was read strictly,
// as with Set. Of several elements put first, the one inserted last comes first.
func (d *Doc) Insert(arr Node, first bool, raw []byte) error {
	raw, err := d.take(arr, Array, raw)
	if err != nil {
		return err
	}
	o := d.shape(arr.i)
	if first {
		o.add = slices.Insert(o.add, 0, addition{first: true, raw: raw})
	} else {
		o.add = append(o.add, addition{raw: raw})
	}
	return nil
}

// take checks and copies JSON that is to stand in a container.
func (d *Doc) take(container Node, kind Kind, raw []byte) ([]byte, error) {
	if container.d != d || container.Kind() != kind {
		return nil, fmt.Errorf("cannot put a value in: the node is %s, not an %s of this document", container.Kind(), kind)
	}
	room := d.limits.MaxDepth - d.depth(container.i)
	added, err := Parse(raw, Limits{MaxBytes: d.limits.MaxBytes, MaxDepth: max(room, 1)})
	if err != nil {
		return nil, err
	}
	defer added.Release()
	if added.deepest > room {
		message := fmt.Sprintf("with the new value, values are nested more than %d deep", d.limits.MaxDepth)
		return nil, &Error{Code: TooDeep, Offset: -1, Message: message}
	}
	return d.keep(raw), nil
}

// depth is how many containers the one at i makes together with those it stands in.
func (d *Doc) depth(i uint32) int {
	depth, at := 1, uint32(0)
	for at != i {
		// Go down to the container that i stands in. An entry's next is beyond i only if it is i or holds it.
		at++
		for d.tape[at].next <= i {
			at = d.tape[at].next
		}
		if d.tape[at].kind >= Array {
			depth++
		}
	}
	return depth
}
