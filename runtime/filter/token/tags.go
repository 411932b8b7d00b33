package token

// tags is a set of states of the HTML tokenizer (HTML standard, 13.2.5, from the
// tag open state on): a bit for each state that the bytes so far may have led
// to. Empty, no tag is open in any reading.
type tags uint16

const (
	tagOpen     tags = 1 << iota // behind "<" or "</"
	tagName                      // in its name
	beforeAttr                   // before an attribute's name
	attrName                     // in it
	afterAttr                    // behind it
	beforeValue                  // behind "="
	valueDouble                  // in a value in double quotes
	valueSingle                  // in a value in single quotes
	valueBare                    // in a value without quotes
)

// step returns the states behind b.
func (t tags) step(b byte) tags {
	if t == 0 && b != '<' {
		return 0
	}
	var next tags
	for s := tagOpen; s <= valueBare; s <<= 1 {
		if t&s != 0 {
			next |= s.after(b)
		}
	}
	if b == '<' {
		next |= tagOpen
	}
	return next
}

// after returns the state that follows a single state; 0 if the tag ends or is
// none.
func (t tags) after(b byte) tags {
	switch t {
	case tagOpen:
		return t.afterOpen(b)
	case valueDouble:
		return until(b == '"', beforeAttr, t)
	case valueSingle:
		return until(b == '\'', beforeAttr, t)
	case beforeValue:
		return t.afterEquals(b)
	case valueBare:
		if b == '>' {
			return 0
		}
		return until(isSpace(b), beforeAttr, t)
	}
	return t.afterName(b)
}

func until(end bool, then, otherwise tags) tags {
	if end {
		return then
	}
	return otherwise
}

func (t tags) afterOpen(b byte) tags {
	switch {
	case isLetter(b):
		return tagName
	case b == '/':
		return tagOpen
	}
	return 0
}

// afterName is for the states around the names of tag and attributes.
func (t tags) afterName(b byte) tags {
	switch {
	case b == '>':
		return 0
	case b == '/':
		return beforeAttr
	case b == '=' && (t == attrName || t == afterAttr):
		return beforeValue
	case isSpace(b):
		return until(t == attrName || t == afterAttr, afterAttr, beforeAttr)
	case t == tagName:
		return tagName
	}
	return attrName
}

func (t tags) afterEquals(b byte) tags {
	switch {
	case isSpace(b):
		return t
	case b == '"':
		return valueDouble
	case b == '\'':
		return valueSingle
	case b == '>':
		return 0
	}
	return valueBare
}
