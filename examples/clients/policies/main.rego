# METADATA
# title: The policy of the checks
# description: All may use all models but the one that is there to be denied.
package sluice

# METADATA
# description: Asked after the filters.
# entrypoint: true
default decision := {"allowed": false, "reasons": {"model_not_allowed"}, "message": "Your roles do not allow this model."}

decision := {"allowed": true, "cache": {"mode": "off"}} if input.model != "denied"
