# METADATA
# title: Rules on what the filters found
# description: |
#   data.sensitive maps a kind of finding (email, card, secret, ...) to "deny", or to labels that an endpoint must carry
#   for such text, such as {"region": "on-prem"}. data.scores maps a filter that labels with a score to the score from
#   which on requests are denied.
package sluice.sensitive

# METADATA
# description: Kinds of findings in the request, whether the text was edited or the finding only reported.
found contains kind if {
	some key, times in input.labels.sluice
	times > 0
	some prefix in ["redacted.", "reported."]
	startswith(key, prefix)
	kind := trim_prefix(key, prefix)
}

# METADATA
# scope: document
# description: Reasons that are known after the filters.
denials contains "sensitive_data" if {
	some kind in found
	data.sensitive[kind] == "deny"
}

denials contains "score_too_high" if {
	some filter, limit in data.scores
	input.labels[filter].score >= limit
}

# METADATA
# description: Pairs of a label and the value that an endpoint must carry.
required contains [label, value] if {
	some kind in found
	some label, value in data.sensitive[kind]
}
