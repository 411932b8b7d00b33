package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML gives the one document of a text.
func parseYAML(name string, text []byte) (root ast.Node, fault *Fault) {
	whole := func(format string, args ...any) *Fault {
		return &Fault{Position: Position{File: name}, Message: fmt.Sprintf(format, args...)}
	}
	// The YAML parser is another's code over an operator's text; a defect of it must not take a running gateway down
	// when a config is reloaded.
	defer func() {
		if recover() != nil {
			root, fault = nil, whole("expected YAML; the parser cannot read it")
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxFault(name, err)
	}
	var docs []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			docs = append(docs, doc.Body)
		}
	}
	switch len(docs) {
	case 0:
		return nil, whole("empty; write at least auth, models and policy, or start from `sluice init`")
	case 1:
		return docs[0], nil
	default:
		return nil, &Fault{Position: start(name, docs[1]), Message: "a second document; remove the line --- and join the two"}
	}
}

// syntaxFault turns the parser's error into a fault. Only its message is used: its own text quotes the source.
func syntaxFault(name string, err error) *Fault {
	f := &Fault{Position: Position{File: name}, Message: "expected YAML"}
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		f.Message = "expected YAML: " + syntax.GetMessage()
		f.Position = at(name, syntax.GetToken())
	}
	return f
}

// at is a token's position.
func at(name string, t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{File: name}
	}
	return Position{File: name, Line: t.Position.Line, Col: t.Position.Column}
}

// start is where a node begins. A block mapping begins with its first key: its own token is that key's colon.
func start(name string, n ast.Node) Position {
	switch n := n.(type) {
	case nil:
		return Position{File: name}
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return start(name, n.Values[0])
		}
	case *ast.MappingValueNode:
		return at(name, n.Key.GetToken())
	}
	return at(name, n.GetToken())
}

// pairs gives the members of a mapping.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// keyName is a key's text; false for keys that are no scalar, and for merge keys.
func keyName(k ast.MapKeyNode) (string, bool) {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return k.GetToken().Value, true
	}
	return "", false
}

// locate finds the position of the field at path, or of the nearest thing that is there.
func locate(name string, root ast.Node, path string) Position {
	pos := start(name, root)
	n := root
	for path != "" {
		var field string
		field, path = cutField(path)
		var found Position
		if n, found = step(name, n, field); found.Line == 0 {
			break
		}
		pos = found
	}
	return pos
}

// cutField cuts the first field or [index] off a path.
func cutField(path string) (field, rest string) {
	path = strings.TrimPrefix(path, ".")
	if strings.HasPrefix(path, "[") {
		if i := strings.IndexByte(path, ']'); i > 0 {
			return path[:i+1], path[i+1:]
		}
	}
	if i := strings.IndexAny(path, ".["); i > 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// step goes into one field or [index]: the node there, and where it is. Scalars are where their value is, everything
// else where its key is.
func step(name string, n ast.Node, field string) (ast.Node, Position) {
	if index, ok := strings.CutPrefix(field, "["); ok {
		seq, isSeq := n.(*ast.SequenceNode)
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if !isSeq || err != nil || i < 0 || i >= len(seq.Values) {
			return nil, Position{}
		}
		return seq.Values[i], start(name, seq.Values[i])
	}
	members, _ := pairs(n)
	for _, m := range members {
		if key, ok := keyName(m.Key); ok && key == field {
			if _, scalar := m.Value.(ast.ScalarNode); scalar {
				return m.Value, at(name, m.Value.GetToken())
			}
			return m.Value, at(name, m.Key.GetToken())
		}
	}
	return nil, Position{}
}
