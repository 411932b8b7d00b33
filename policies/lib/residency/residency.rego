# METADATA
# title: Where data may be processed
# description: |
#   data.residency.tenants and data.residency.roles map a tenant or a role to labels that an endpoint must carry, such as
#   {"region": "eu"}. All that apply must be met.
package sluice.residency

# METADATA
# scope: document
# description: Pairs of a label and the value that an endpoint must carry.
required contains [label, value] if some label, value in data.residency.tenants[input.principal.tenant]

required contains [label, value] if {
	some role in input.principal.roles
	some label, value in data.residency.roles[role]
}

# METADATA
# description: The pairs as labels. Two values for one label are a denial; no endpoint could carry both.
labels(pairs) := {label: value | some [label, value] in pairs; not contradicted(pairs, label)}

# METADATA
# description: The pairs ask for two values of one label.
contradicted(pairs, label) if count({value | some [name, value] in pairs; name == label}) > 1

# METADATA
# description: Reasons that come of what is required of endpoints, here and by others.
denials(pairs) := {"residency_contradiction" | some [label, _] in pairs; contradicted(pairs, label)}
