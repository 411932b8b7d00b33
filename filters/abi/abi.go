// Package abi holds the contract between the gateway and a filter, as the text that is README.md, so that it travels with
// the binary: each new filter's folder gets a copy.
package abi

import _ "embed"

// Contract is the native filter ABI, version 1, in Markdown.
//
//go:embed README.md
var Contract string
