# METADATA
# title: What may be reached on the model server
# description: |
#   data.reach maps a role to what its requests may reach on the model server: kinds such as web_search or store, or a
#   kind with the id of state there, such as vector_store:vs_123. Without data.reach nothing may.
package sluice.reach

# METADATA
# description: What one of the principal's roles may reach, for decision.allow.
allowed contains kind if {
	some role in input.principal.roles
	some kind in data.reach[role]
}
