package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// opaRule is what may stand at one place of the section opa.
type opaRule struct {
	keys    map[string]*opaRule // the members of a mapping
	each    *opaRule            // every member of a mapping with names of the operator's
	listed  bool                // a list of the same is as good
	open    bool                // whatever OPA takes
	refused string              // why it may not stand there, and what to do

	text, boolean bool
	min, max      int64 // a number within; max 0 is none
	enum          []string
	secret, key   bool // a text that is never written out; a key, that may be
	path, folder  bool // of a file; of a folder
	list          bool // of texts
	words         bool // any names, with texts
	secretWords   bool // a mapping of texts that are secrets where their names say so
}

var (
	opaText   = &opaRule{text: true}
	opaBool   = &opaRule{boolean: true}
	opaSecret = &opaRule{text: true, secret: true}
	opaPath   = &opaRule{text: true, path: true}
	opaTexts  = &opaRule{list: true}
	opaOpen   = &opaRule{open: true}
)

func opaWithin(low, high int64) *opaRule { return &opaRule{min: low, max: high} }

func opaRefused(why string) *opaRule { return &opaRule{refused: why} }

const (
	// maxBundle bounds a bundle, as it comes and unpacked. OPA's own default is 1 GiB, for each file.
	maxBundle = 512 << 20
	// maxOPABuffer bounds the decisions that wait to be uploaded. OPA's own default is none.
	maxOPABuffer = 1 << 30
	// maxUpload bounds one upload. OPA takes up to 4 GiB.
	maxUpload = 16 << 20
	oneDay    = 24 * 60 * 60
)

// opaForm is the whole section. The keys are those of OPA 1.22.
var opaForm = &opaRule{keys: map[string]*opaRule{
	"services":              {each: opaService, listed: true},
	"bundles":               {each: opaBundle},
	"keys":                  {each: opaKey},
	"decision_logs":         opaDecisionLogs,
	"status":                opaStatus,
	"labels":                {words: true},
	"persistence_directory": {text: true, path: true, folder: true},

	"discovery":                      opaRefused("a remote server would say where policy comes from; write bundles here"),
	"plugins":                        opaRefused("there are no plugins to configure; remove it"),
	"bundle":                         opaRefused("OPA's old form; write bundles"),
	"caching":                        opaRefused("answers of built-in functions are not kept, for policies call nothing outside; remove it"),
	"distributed_tracing":            opaRefused("tracing is not OPA's here; remove it"),
	"server":                         opaRefused("OPA's own server does not run here; write listen and admin"),
	"storage":                        opaRefused("policies and data are kept in memory; remove it"),
	"default_decision":               opaRefused("the decisions are data.sluice.admit and data.sluice.decision; remove it"),
	"default_authorization_decision": opaRefused("OPA's own server does not run here; remove it"),
	"nd_builtin_cache":               opaRefused("what the decision log holds stands in policy.decisions; remove it"),
}}

var opaService = &opaRule{keys: map[string]*opaRule{
	"name": opaText, "url": opaText, "type": {text: true, enum: []string{"oci"}},
	"headers":                         {secretWords: true},
	"allow_insecure_tls":              opaRefused("whoever stands between could send any policy; write tls: {ca_cert: path}"),
	"response_header_timeout_seconds": opaWithin(1, 300),
	"tls":                             {keys: map[string]*opaRule{"ca_cert": opaPath, "system_ca_required": opaBool}},
	"credentials": {keys: map[string]*opaRule{
		"bearer": {keys: map[string]*opaRule{"token": opaSecret, "token_path": opaPath, "scheme": opaText}},
		"client_tls": {keys: map[string]*opaRule{
			"cert": opaPath, "private_key": opaPath, "private_key_passphrase": opaSecret,
			"cert_reread_interval_seconds": opaWithin(1, oneDay),
			"ca_cert":                      opaRefused("OPA's old form; write tls: {ca_cert: path} beside credentials"),
			"system_ca_required":           opaRefused("OPA's old form; write tls: {system_ca_required: true} beside credentials"),
		}},
		"oauth2": {keys: map[string]*opaRule{
			"grant_type": opaText, "token_url": opaText, "client_id": opaText, "client_secret": opaSecret, "signing_key": opaText,
			"thumbprint": opaText, "additional_claims": opaOpen, "include_jti_claim": opaBool, "scopes": opaTexts,
			"additional_headers": {secretWords: true}, "additional_parameters": {secretWords: true},
			"aws_kms": opaOpen, "aws_signing": opaOpen, "azure_keyvault": opaOpen, "azure_signing": opaOpen,
			"client_assertion_type": opaText, "client_assertion": opaSecret, "client_assertion_path": opaPath,
		}},
		"s3_signing": opaOpen, "gcp_metadata": opaOpen, "azure_managed_identity": opaOpen,
		"plugin": opaRefused("there are no plugins; write one of bearer, client_tls, oauth2, s3_signing, gcp_metadata, azure_managed_identity"),
	}},
}}

var opaBundle = &opaRule{keys: map[string]*opaRule{
	"service": opaText, "resource": opaText, "persist": opaBool,
	"size_limit_bytes": opaWithin(1, maxBundle),
	"signing": {keys: map[string]*opaRule{
		"keyid": opaText, "scope": opaText, "exclude_files": opaTexts,
		"allow_unsigned_delta_bundles": opaRefused("a delta has no signature: whole bundles are asked for where signing is; remove it"),
	}},
	"polling": {keys: map[string]*opaRule{
		"min_delay_seconds": opaWithin(1, oneDay), "max_delay_seconds": opaWithin(1, oneDay),
		"long_polling_timeout_seconds": opaWithin(1, 3600), "superseded_etag_ttl_seconds": opaWithin(0, oneDay),
	}},
	"trigger": {text: true, enum: []string{"periodic"}},
}}

var opaKey = &opaRule{keys: map[string]*opaRule{
	"key": {text: true, key: true}, "private_key": {text: true, secret: true, key: true}, "algorithm": opaText, "scope": opaText,
}}

var opaDecisionLogs = &opaRule{keys: map[string]*opaRule{
	"service": opaText, "partition_name": opaText, "resource": opaText,
	"reporting": {keys: map[string]*opaRule{
		"buffer_type":              {text: true, enum: []string{"size", "event"}},
		"buffer_size_limit_bytes":  opaWithin(1, maxOPABuffer),
		"buffer_size_limit_events": opaWithin(1, 1_000_000),
		"upload_size_limit_bytes":  opaWithin(90, maxUpload),
		"min_delay_seconds":        opaWithin(1, oneDay), "max_delay_seconds": opaWithin(1, oneDay),
		"trigger":                  {text: true, enum: []string{"periodic"}},
		"max_decisions_per_second": opaRefused("with it OPA's buffer has no bound; write buffer_size_limit_bytes"),
	}},
	"console":          opaRefused("decisions are not written to the program's log; write policy.decisions for a file"),
	"plugin":           opaRefused("there are no plugins; write service"),
	"mask_decision":    opaRefused("masks are data.system.log.mask; remove it"),
	"drop_decision":    opaRefused("what drops is data.system.log.drop; remove it"),
	"request_context":  opaRefused("the headers that policies may read are in input.client.headers; remove it"),
	"nd_builtin_cache": opaRefused("what the decision log holds stands in policy.decisions; remove it"),
}}

var opaStatus = &opaRule{keys: map[string]*opaRule{
	"service": opaText, "partition_name": opaText, "trigger": {text: true, enum: []string{"periodic"}},
	"console":           opaRefused("the program's log tells of bundles already; remove it"),
	"prometheus":        opaRefused("the figures are at /metrics of the admin listener; remove it"),
	"prometheus_config": opaRefused("the figures are at /metrics of the admin listener; remove it"),
	"plugin":            opaRefused("there are no plugins; write service"),
}}

// secretName tells the names of headers and parameters whose values are secrets.
var secretName = regexp.MustCompile(`(?i)auth|key|token|secret|password|cookie`)

// member is the rule of a member; nil where none may have that name.
func (r *opaRule) member(name string) *opaRule {
	switch {
	case r.open:
		return opaOpen
	case r.words:
		return opaText
	case r.secretWords && secretName.MatchString(name):
		return opaSecret
	case r.secretWords:
		return opaText
	case r.each != nil:
		return r.each
	default:
		return r.keys[name]
	}
}

// element is the rule of a list's elements.
func (r *opaRule) element() *opaRule {
	switch {
	case r.open:
		return opaOpen
	case r.list:
		return opaText
	default:
		return r.each
	}
}

func (r *opaRule) maps() bool {
	return r.open || r.words || r.secretWords || r.each != nil || r.keys != nil
}

func (r *opaRule) lists() bool { return r.open || r.list || r.listed }

func (r *opaRule) takesRef() bool { return r.secret || r.key }

// fields are the keys as suggest takes them, those to be refused left out.
func (r *opaRule) fields() []field {
	var out []field
	for name, rule := range r.keys {
		if rule.refused == "" {
			out = append(out, field{name: name})
		}
	}
	slices.SortFunc(out, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return out
}

// wants says what may stand there.
func (r *opaRule) wants() string {
	switch {
	case r.takesRef():
		return "text, {env: NAME} or {file: path}"
	case r.text:
		return "text"
	case r.boolean:
		return "true or false"
	case r.max > 0:
		return fmt.Sprintf("a number from %d to %d", r.min, r.max)
	case r.list:
		return "a list of texts"
	case r.listed:
		return "a mapping or a list"
	default:
		return "a mapping"
	}
}
