// Package policies carries the shipped policy inside the binary, so that Sluice runs without a clone of its source. The
// README in this folder tells how to change it.
package policies

import "embed"

// FS holds the shipped policy: its Rego, tests included, and its data.
//
//go:embed *.rego data.json lib
var FS embed.FS
