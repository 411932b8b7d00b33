package policy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Format writes a module as opa fmt does. The error is Faults where the module can't be read; name is shown in them.
func Format(name string, module []byte) ([]byte, error) {
	out, err := format.SourceWithOpts(name, module, format.Opts{
		RegoVersion: ast.RegoV1, ParserOptions: &ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities()},
	})
	if err != nil {
		return nil, faultsOf(name, err).sorted()
	}
	return out, nil
}

// Capabilities is what policies may use of Rego, as opa check --capabilities reads it: OPA's own of this version without
// the built-ins that reach out of an evaluation.
func Capabilities() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(capabilities()); err != nil {
		return nil, fmt.Errorf("writing the capabilities: %w", err)
	}
	return b.Bytes(), nil
}
