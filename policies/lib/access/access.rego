# METADATA
# title: Who may use which model
# description: |
#   data.roles maps a role to patterns of model names; data.reserved maps a pattern to the roles that its models are
#   kept for. In a pattern, * stands for any characters.
package sluice.access

# METADATA
# scope: document
# description: Reasons that are known before the filters run.
denials contains "no_role" if not known

denials contains "model_not_allowed" if {
	known
	input.model != ""
	not allowed(input.model)
}

# METADATA
# description: The principal has at least one role that data.roles names.
known if {
	some role in input.principal.roles
	data.roles[role]
}

# METADATA
# description: A pattern of one of the principal's roles fits the model, and the model is not kept for others.
allowed(model) if {
	some pattern in granting
	glob.match(pattern, null, model)
	not reserved(model)
}

# METADATA
# description: A pattern keeps the model for roles that the principal has none of.
reserved(model) if {
	some pattern in reserving
	glob.match(pattern, null, model)
}

# METADATA
# description: The patterns of all the principal's roles.
granting contains data.roles[input.principal.roles[_]][_]

# METADATA
# description: The patterns whose models are kept for roles that the principal has none of.
reserving contains pattern if {
	some pattern, roles in data.reserved
	not held(roles)
}

# METADATA
# description: The principal has one of the roles.
held(roles) if {
	some role in input.principal.roles
	role in roles
}
