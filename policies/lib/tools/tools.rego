# METADATA
# title: Which tools may be offered to a model, and which get real values
# description: |
#   data.tools maps a role to patterns of tools that its requests may offer; without data.tools all may.
#   data.restore.tools are patterns of tools whose arguments get the caller's own values in the place of tokens.
package sluice.tools

# METADATA
# description: Reasons that are known after the filters.
denials contains "tool_not_allowed" if {
	data.tools
	some tool in input.prompt.tools
	not allowed(tool)
}

# METADATA
# description: A pattern of one of the principal's roles fits the tool.
allowed(tool) if {
	some role in input.principal.roles
	some pattern in data.tools[role]
	glob.match(pattern, null, tool)
}

# METADATA
# description: The offered tools whose arguments get values back, for decision.restore.tools.
restored contains tool if {
	some tool in input.prompt.tools
	some pattern in data.restore.tools
	glob.match(pattern, null, tool)
}
