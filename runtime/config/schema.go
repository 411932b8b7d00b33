package config

import _ "embed"

//go:embed sluice.schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of sluice.yaml for editors. It is made of the types of this package and
// kept equal to them by a test.
func Schema() []byte { return schema }
