package meter

// Parts of the custom section "name" (WebAssembly core, appendix 7.4.1) that are
// kept: a trap's stack trace is worth little without them.
const (
	moduleName    = 0
	functionNames = 1
)

// names returns the content of a new name section with the module's and its
// functions' names, or nil if r, which stands behind the section's own name,
// has none that can be read: a broken name section does not break a module.
func (m *module) names(r *reader) []byte {
	out := appendName(nil, "name")
	for r.err == nil && r.left() > 0 {
		id, size := r.byte(), r.count()
		part := &reader{b: r.b[:r.pos+size], pos: r.pos}
		var content []byte
		switch id {
		case moduleName:
			content = appendName(nil, part.name())
		case functionNames:
			content = part.each(func() []byte {
				i := part.index("function", len(m.funcs))
				return appendName(appendU32(nil, m.shift(i)), part.name())
			})
		}
		if part.err != nil || r.err != nil {
			return nil
		}
		if content != nil {
			out = appendVector(append(out, id), len(content), content)
		}
		r.pos += size
	}
	if r.err != nil {
		return nil
	}
	return out
}
