package walk

import "strings"

// schemaRule is the rule of a JSON Schema (draft 2020-12): its keywords are no text, nor is the name of a type or format;
// names of properties, descriptions, values and unknown keywords are.
var schemaRule = newSchemaRule()

func newSchemaRule() *Rule {
	s := &Rule{Class: Schema, loose: true, done: true, index: map[string]*Rule{}, Other: free}
	s.Items = s
	words := func(key, words string) {
		r := &Rule{Key: key, Class: Enum, words: strings.Fields(words), loose: true, done: true, Other: free}
		r.Items = r
		s.index[key] = r
	}
	words("type", "string number integer boolean object array null")
	words("format", "date-time date time duration email hostname ipv4 ipv6 uri uuid")
	words("$schema", "http://json-schema.org/draft-07/schema# https://json-schema.org/draft/2020-12/schema")
	for key := range strings.FieldsSeq("items prefixItems additionalProperties not if then else contains anyOf oneOf allOf propertyNames") {
		s.index[key] = s
	}
	for key := range strings.FieldsSeq("properties patternProperties $defs definitions dependentSchemas") {
		s.index[key] = &Rule{Key: key, loose: true, done: true, Other: s, Items: free}
	}
	for key := range strings.FieldsSeq("description title enum const default examples required pattern $ref $id $comment " +
		"minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems uniqueItems " +
		"minProperties maxProperties nullable strict deprecated readOnly writeOnly") {
		s.index[key] = free
	}
	return s
}
