# METADATA
# title: Break-glass
# description: |
#   A principal with one of data.breakglass.roles who names an incident in the header x-break-glass is not held by the
#   reasons in data.breakglass.waives. What was waived, and for which incident, goes to the audit record.
package sluice.breakglass

# METADATA
# description: |
#   The incident: letters, a hyphen, digits. Anything else is no incident.
incident := value if {
	value := input.client.headers["x-break-glass"]
	regex.match(`^[A-Z]{2,10}-[0-9]{1,10}$`, value)
	some role in input.principal.roles
	role in data.breakglass.roles
}

# METADATA
# description: The reasons among the given ones that do not count.
waived(reasons) := {reason | some reason in reasons; incident; reason in data.breakglass.waives}

# METADATA
# description: The annotations of the decision; empty where nothing was waived.
annotations(reasons) := {"break_glass": incident, "waived": concat(",", sort(waived(reasons)))} if {
	count(waived(reasons)) > 0
} else := {}
