package policy

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/sluicegate/sluice/runtime/wire"
)

// InputSchema is the JSON Schema of the input document, text fields included, for editors and for opa check --schema.
func InputSchema() []byte { return indented(inputSchema(true)) }

// DecisionSchema is the JSON Schema of what the rule decision must give. Its sets are arrays, as OPA's JSON has them.
func DecisionSchema() []byte { return indented(decisionSchema()) }

func indented(schema map[string]any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(schema); err != nil {
		return nil // not reached: the schema holds strings, maps and lists only
	}
	return b.Bytes()
}

const schemaVersion = "http://json-schema.org/draft-07/schema#"

// inputSchema is the schema that policies are compiled against.
func inputSchema(text bool) map[string]any {
	s := objectSchema(inputFields, text)
	s["$schema"] = schemaVersion
	s["title"] = "Input of a Sluice policy"
	return s
}

// objectSchema closes objects of fixed fields, so that a misspelled field is a compile error. Open objects declare no
// properties at all: OPA's type checker takes declared ones for the only ones.
func objectSchema(fields []field, text bool) map[string]any {
	properties := map[string]any{}
	for i := range fields {
		f := &fields[i]
		if f.text && !text {
			continue
		}
		var s map[string]any
		switch {
		case f.fields != nil:
			s = objectSchema(f.fields, text)
		case f.typ == "strings":
			s = stringsSchema("")
		default:
			s = map[string]any{"type": f.typ}
		}
		s["description"] = f.about
		if f.late {
			s["description"] = f.about + " Not known to admit."
		}
		properties[f.name] = s
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

func stringsSchema(about string) map[string]any {
	s := map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	if about != "" {
		s["description"] = about
	}
	return s
}

// reachSchema is that of the decision's allow.
func reachSchema() map[string]any {
	s := stringsSchema("What the request may reach on the model server: kinds, or a kind, a colon and the id of state there; absent: nothing.")
	s["items"] = map[string]any{"type": "string", "pattern": "^(" + strings.Join(wire.Kinds(), "|") + ")(:.+)?$"}
	return s
}

// decisionSchema says what decision.go checks.
func decisionSchema() map[string]any {
	texts := func(about string) map[string]any {
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}, "description": about}
	}
	closed := func(about string, properties map[string]any, required ...string) map[string]any {
		s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false, "description": about}
		if len(required) > 0 {
			s["required"] = required
		}
		return s
	}
	reasons := stringsSchema("Codes of why, such as model_not_allowed; a set.")
	reasons["items"] = map[string]any{"type": "string", "pattern": reasonPattern}
	reasons["maxItems"], reasons["uniqueItems"] = maxReasons, true
	s := closed("What the rule data.sluice.decision gives.", map[string]any{
		"allowed":     map[string]any{"type": "boolean", "description": "Whether the request may go on."},
		"reasons":     reasons,
		"message":     map[string]any{"type": "string", "maxLength": maxText, "description": "A sentence for the caller of a denied request."},
		"http_status": map[string]any{"type": "integer", "minimum": 400, "maximum": 499, "not": map[string]any{"enum": []int{401, 408, 409, 429}}, "description": "Status of a denial; absent: 403."},
		"models":      stringsSchema("Configured models in order of preference; absent: the one asked for."),
		"endpoints":   closed("Which endpoints may serve.", map[string]any{"labels": texts("Labels an endpoint must carry.")}),
		"cache": closed("What the cache may do; absent: nothing.", map[string]any{
			"mode":        map[string]any{"enum": []string{"read-write", "read", "off"}},
			"scope":       map[string]any{"enum": []string{"principal", "tenant"}, "description": "Who shares an entry; absent: the principal alone."},
			"ttl_seconds": map[string]any{"type": "integer", "minimum": 0, "maximum": maxTTL, "description": "0 or absent: the configured one."},
		}, "mode"),
		"allow":       reachSchema(),
		"restore":     closed("Where tokens become values again beside plain text.", map[string]any{"tools": stringsSchema("Tools whose arguments get restored values.")}),
		"headers":     texts("Headers added to the answer."),
		"annotations": texts("Copied to the audit record; never text of a prompt."),
		"debug":       map[string]any{"type": "boolean", "description": "Tell the caller endpoint, attempts and timing."},
	}, "allowed")
	s["$schema"] = schemaVersion
	s["title"] = "Decision of a Sluice policy"
	return s
}
