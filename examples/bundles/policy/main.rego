# METADATA
# description: Developers may use every model; the rest nothing.
package sluice

# METADATA
# description: Whether the gateway may forward the request, and why not.
decision := {"allowed": count(reasons) == 0, "reasons": reasons}

# METADATA
# description: Why a request is denied.
reasons contains "not_a_developer" if not "developer" in input.principal.roles
