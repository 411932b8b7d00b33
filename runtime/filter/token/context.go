package token

import "bytes"

// context knows, at each byte of a text, whether a value put here would become
// part of something that is followed or fetched. It reads one byte at a time and
// never ahead.
//
// Nothing is restored
//
//   - in a URL: from "//", "www.", "mailto:", "xmpp:" or "javascript:", or from
//     the first "/", "?" or "#" behind a word with a dot in it (a host without a
//     scheme), to the next white space or "<", where GitHub's autolinks end
//     (GFM 6.9). A word with "@" is an address and no host. Backslashes count as
//     browsers read them, as slashes (URL standard, 4.4), two of them only at
//     the front of a word or behind a scheme.
//   - in the target or title of a markdown link or image: from "](" to the ")"
//     that balances it, white space or not (CommonMark 6.3, and readers that
//     are less strict).
//   - in the target of a link definition: behind "[...]:" where that is the
//     first thing of a line (CommonMark 4.7).
//   - in an HTML tag: from "<" and a letter to the ">" outside of quotes. What
//     a browser takes for a tag depends on what surrounds it (comments, scripts,
//     other attributes), so every "<" is followed as if it were one, all of
//     them at once.
//
// Limits: a token at the very front of a word is restored, though a host without
// a scheme might follow; schemes other than those above count only with "//".
type context struct {
	recent uint64 // the last 8 bytes, ASCII letters in lower case
	url    bool   // this word is a URL
	dot    bool   // this word has a dot behind a letter or digit
	at     bool   // this word has an "@"
	tags   tags   // every state that some "<" may have led to

	link  link
	depth int // open parentheses in a link's target

	def      def
	lead     bool // false at the start of a line and behind its quote and list marks
	label    bool // a line began with "["
	newlines int  // in a row, spaces aside
	escaped  bool // behind a backslash in a link
}

// open tells whether a value may be put here.
func (c *context) open() bool {
	return !c.url && c.link == noLink && c.def == noDef && c.tags&^tagOpen == 0
}

// read reads text. Where nothing is open, runs of bytes without a meaning are
// taken in one go.
func (c *context) read(text []byte) {
	for len(text) > 0 {
		n := 0
		if c.lead && c.tags == 0 && c.link == noLink && c.def == noDef {
			n = c.skip(text)
		}
		if n == 0 {
			c.step(text[0])
			n = 1
		}
		text = text[n:]
	}
}

// skip reads the bytes at the front of text that mean nothing but, perhaps, the
// end of a word, and returns their number.
func (c *context) skip(text []byte) int {
	n, space := 0, false
	for n < len(text) && meaning[text[n]] != special {
		space = space || meaning[text[n]] == blank
		n++
	}
	if space {
		c.url, c.dot, c.at = false, false, false
	}
	for _, b := range text[max(0, n-8):n] {
		c.recent = c.recent<<8 | uint64(lower(b))
	}
	return n
}

const (
	ordinary = iota
	blank
	special
)

// meaning tells what each byte means behind the beginning of a line where
// nothing is open.
var meaning = func() (m [256]byte) {
	for _, b := range []byte("<>()[]:/?#.@\\\n") {
		m[b] = special
	}
	for _, b := range []byte(" \t\v\f\r") {
		m[b] = blank
	}
	return m
}()

// step reads one byte.
func (c *context) step(b byte) {
	before := byte(c.recent)
	c.recent = c.recent<<8 | uint64(lower(b))
	c.stepLink(b, before)
	c.stepDef(b, before)
	c.stepWord(b, before)
	was := c.tags
	if c.tags = c.tags.step(b); was != 0 && c.tags == 0 && b == '>' {
		c.url, c.dot, c.at = false, false, false
	}
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}

func isSpace(b byte) bool { return b == ' ' || '\t' <= b && b <= '\r' }

// stepWord looks for what makes the current word a URL.
func (c *context) stepWord(b, before byte) {
	switch {
	case isSpace(b) || b == '<':
		c.url, c.dot, c.at = false, false, false
	case b == '@':
		c.at = true
	case b == '.':
		c.dot = c.dot || isAlnum(before) || before >= 0x80
		c.url = c.url || c.ends("www.")
	case b == ':':
		c.url = c.url || c.ends("mailto:") || c.ends("xmpp:") || c.ends("ascript:")
	case b == '/' || b == '?' || b == '#':
		c.url = c.url || c.dot && !c.at || b == '/' && before == '/'
	case b == '\\':
		c.url = c.url || c.dot && !c.at || before == '\\' && c.outset(byte(c.recent>>16))
	}
}

// outset tells whether two backslashes behind b are how browsers and Windows take the "//" in front of a host, and not
// text that is escaped twice: at the beginning of a word, and behind a scheme.
func (c *context) outset(b byte) bool {
	return b == 0 || isSpace(b) || bytes.IndexByte([]byte(`:"'(<=,`), b) >= 0
}

// ends tells whether the last bytes are s, which is at most 8 long.
func (c *context) ends(s string) bool {
	var want uint64
	for i := range len(s) {
		want = want<<8 | uint64(s[i])
	}
	return c.recent<<(64-8*len(s)) == want<<(64-8*len(s))
}

// link is where in a markdown link's target a byte stands.
type link byte

const (
	noLink     link = iota
	linkSpace       // behind "](", before the target
	linkAngle       // in a target in angle brackets
	linkTarget      // in any other target, or a title
)

func (c *context) stepLink(b, before byte) {
	switch {
	case c.link == noLink:
		if b == '(' && before == ']' {
			c.link, c.depth, c.escaped = linkSpace, 0, false
		}
	case c.escaped:
		c.escaped = false
	case b == '\\' || b == '(':
		c.escaped = b == '\\'
		if b == '(' {
			c.depth++
		}
		if c.link == linkSpace {
			c.link = linkTarget
		}
	case c.link == linkAngle:
		if b == '>' {
			c.link = linkTarget
		}
	case b == ')':
		if c.depth--; c.depth < 0 {
			c.link = noLink
		}
	case c.link == linkSpace && b == '<':
		c.link = linkAngle
	case !isSpace(b):
		c.link = linkTarget
	}
}

// def is where in a link definition a byte stands.
type def byte

const (
	noDef     def = iota
	defSpace      // behind "]:", before the target
	defAngle      // in a target in angle brackets
	defTarget     // in any other target
)

func (c *context) stepDef(b, before byte) {
	if b == '\n' {
		c.newlines++
	} else if !isSpace(b) {
		c.newlines = 0
	}
	switch {
	case c.label && b == ':' && before == ']':
		c.def = defSpace
	case c.def == defSpace && c.newlines > 1, c.def == defTarget && isSpace(b), c.def == defAngle && (b == '>' || b == '\n'):
		c.def = noDef
	case c.def == defSpace && b == '<':
		c.def = defAngle
	case c.def == defSpace && !isSpace(b):
		c.def = defTarget
	}
	c.stepLine(b)
}

// stepLine looks for a "[" that is the first thing of a line.
func (c *context) stepLine(b byte) {
	switch {
	case b == '\n':
		c.lead = false
		c.label = c.label && c.newlines < 2
	case c.lead:
	case b == '[':
		c.lead, c.label = true, true
	case isSpace(b), b == '>', b == '-', b == '*', b == '+', b == '.', b == ')', '0' <= b && b <= '9':
	default:
		c.lead = true
	}
}
