package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// data gathers the source's documents and the host's into one. Faults name the file of the document.
func (s Source) data(extra map[string]any) (map[string]any, Faults) {
	out := map[string]any{}
	var faults Faults
	for _, f := range s.files {
		if !isData(f.path) {
			continue
		}
		doc, fault := s.document(f)
		if fault == nil {
			fault = s.place(out, f, doc)
		}
		if fault != nil {
			faults = append(faults, *fault)
		}
	}
	if key := merge(out, normal(extra).(map[string]any)); key != "" {
		faults = append(faults, Fault{File: s.name, Message: fmt.Sprintf("data.%s is given by the configuration too; keep one of them", key)})
	}
	return out, faults
}

// document reads one data file. JSON is read strictly: a role named twice must not silently be the second one.
func (s Source) document(f file) (any, *Fault) {
	at := Fault{File: s.show(f)}
	if path.Ext(f.path) != ".json" {
		var doc any
		if err := yaml.Unmarshal(f.body, &doc); err != nil {
			at.Message = "not YAML"
			var e yaml.Error
			if errors.As(err, &e) {
				at.Line, at.Col, at.Message = e.GetToken().Position.Line, e.GetToken().Position.Column, "not YAML: "+e.GetMessage()
			}
			return nil, &at
		}
		return normal(doc), nil
	}
	doc, err := strictjson.Parse(f.body, strictjson.Limits{MaxBytes: maxFile})
	if err != nil {
		at.Message = "not JSON: " + err.Error()
		var e *strictjson.Error
		if errors.As(err, &e) {
			at.Line, at.Col = place(f.body, e.Offset)
		}
		return nil, &at
	}
	doc.Release()
	v, err := decodeJSON(f.body)
	if err != nil {
		at.Message = "not JSON: " + err.Error()
		return nil, &at
	}
	return v, nil
}

// place puts a document into out where its folder says.
func (s Source) place(out map[string]any, f file, doc any) *Fault {
	m, ok := doc.(map[string]any)
	if !ok {
		return &Fault{File: s.show(f), Line: 1, Col: 1, Message: "a data file must hold an object; its keys become data." + strings.ReplaceAll(strings.TrimPrefix(path.Dir(f.path)+"/", "./"), "/", ".") + "<key>"}
	}
	if dir := path.Dir(f.path); dir != "." {
		parts := strings.Split(dir, "/")
		for i := len(parts) - 1; i >= 0; i-- {
			m = map[string]any{parts[i]: m}
		}
	}
	if f.part != nil {
		if key := f.part.outside(m, ""); key != "" {
			return &Fault{Stage: StageRoots, File: s.show(f), Message: fmt.Sprintf("data.%s is outside of the roots in %s; correct them, or move it", strings.ReplaceAll(key, "/", "."), manifestFile)}
		}
	}
	if key := merge(out, m); key != "" {
		return &Fault{File: s.show(f), Message: fmt.Sprintf("data.%s is given by another file too; keep one of them", key)}
	}
	return nil
}

// merge adds from to into, object by object. It gives the path of the first key that both have, or "".
func merge(into, from map[string]any) string {
	for k, v := range from {
		old, ok := into[k]
		if !ok {
			into[k] = v
			continue
		}
		a, ok1 := old.(map[string]any)
		b, ok2 := v.(map[string]any)
		if !ok1 || !ok2 {
			return k
		}
		if key := merge(a, b); key != "" {
			return k + "." + key
		}
	}
	return ""
}

// normal turns a value of Go types into what a JSON decoder gives, copied.
func normal(v any) any {
	switch v := v.(type) {
	case nil, bool, string, json.Number:
		return v
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = normal(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = normal(e)
		}
		return out
	default:
		return plain(v)
	}
}

// decodeJSON reads one JSON value, numbers as they are written.
func decodeJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// place gives line and column, in bytes from 1, of an offset.
func place(b []byte, offset int) (line, col int) {
	before := b[:min(max(offset, 0), len(b))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}
