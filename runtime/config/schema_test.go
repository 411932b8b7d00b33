package config

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	yaml "github.com/goccy/go-yaml"
	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

// The committed schema is what the types give now; `go test -update` writes it anew.
func TestSchemaIsOfTheTypes(t *testing.T) {
	golden(t, "sluice.schema.json", generateSchema(t))
}

// An editor with the schema takes every good file, and marks what the schema can tell in the bad ones.
func TestSchemaOnFiles(t *testing.T) {
	schema := compileSchema(t)
	f := func(file string, good bool) {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := yaml.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		js, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := validator.UnmarshalJSON(bytes.NewReader(js))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); (err == nil) != good {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, file := range testFiles(t, "*.good.yaml") {
		f(file, true)
	}
	f("testdata/types.bad.yaml", false)
	f("testdata/list.bad.yaml", false)
}

// Every key that the decoder takes is described.
func TestSchemaDescribesAll(t *testing.T) {
	var s struct {
		Defs map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, def := range s.Defs {
		for key, p := range def.Properties {
			n++
			if p.Description == "" {
				t.Errorf("%s.%s has no description", name, key)
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d keys", n)
	}
}

func compileSchema(t *testing.T) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("sluice.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("sluice.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// generateSchema makes the schema of the types, their tags and their comments.
func generateSchema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, CommentMap: comments(t), Mapper: notations, Anonymous: true,
	}
	s := r.Reflect(&Config{})
	s.ID = ""
	s.Title = "sluice.yaml"
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// notations are the schemas of types with a form of their own.
func notations(t reflect.Type) *jsonschema.Schema {
	text := func(pattern string) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Pattern: pattern} }
	actions := func(names ...any) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Enum: names}}
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return text(`^([0-9.]+(ns|us|µs|ms|s|m|h))+$`)
	case reflect.TypeFor[Size]():
		return text(`^[0-9]+ ?(B|KiB|MiB|GiB)$`)
	case reflect.TypeFor[Digest]():
		return text(`^[0-9a-fA-F]{64}$`)
	case reflect.TypeFor[PublicKey]():
		return text(`^ed25519:[0-9A-Za-z+/]{43}=$`)
	case reflect.TypeFor[time.Time]():
		return text(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?$`)
	case reflect.TypeFor[Setting]():
		env := jsonschema.NewProperties()
		env.Set("env", &jsonschema.Schema{Type: "string", Description: "Env is the name of an environment variable."})
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string"}, {Type: "object", Properties: env, Required: []string{"env"}, AdditionalProperties: jsonschema.FalseSchema},
		}}
	case reflect.TypeFor[Token]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Const: "ephemeral"}, {Ref: "#/$defs/Ref"}}}
	case reflect.TypeFor[Refs]():
		one, least, most := &jsonschema.Schema{Ref: "#/$defs/Ref"}, uint64(1), uint64(maxRefs)
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{one, {Type: "array", Items: one, MinItems: &least, MaxItems: &most}}}
	case reflect.TypeFor[Names]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "array", Items: &jsonschema.Schema{Type: "string"}}}}
	case reflect.TypeFor[OPA]():
		return &jsonschema.Schema{Type: "object"}
	case reflect.TypeFor[FilterConfig]():
		props := jsonschema.NewProperties()
		props.Set("request", actions("token", "mask", "hmac", "block", "report"))
		props.Set("response", actions("mask", "hmac", "block", "report"))
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "object", Properties: props}, {Type: "string"}}}
	}
	return nil
}

// comments reads the fields' comments from the source.
func comments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"types.go", "types_model.go", "types_filter.go", "ref.go", "credential.go", "routing.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		pkg := reflect.TypeFor[Config]().PkgPath()
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if st, ok := spec.Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						for _, id := range f.Names {
							out[pkg+"."+spec.Name.Name+"."+id.Name] = describe(f, id.Name)
						}
					}
				}
			}
			return true
		})
	}
	return out
}

// describe is a field's comment with the key's name in place of the Go name.
func describe(f *ast.Field, name string) string {
	text := strings.Join(strings.Fields(f.Doc.Text()), " ")
	if f.Tag == nil {
		return text
	}
	key := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("yaml")
	return key + strings.TrimPrefix(text, name)
}
