# METADATA
# title: The policy of the checks
# description: All may use all models but the one that is there to be denied, and have responses of one of them stored.
package sluice

# METADATA
# description: Asked after the filters.
# entrypoint: true
default decision := {"allowed": false, "reasons": {"model_not_allowed"}, "message": "Your roles do not allow this model."}

decision := {"allowed": true, "cache": {"mode": "off"}, "allow": allow} if input.model != "denied"

# What may be reached on the model server.
default allow := set()

allow := {"store", "previous_response", "item_reference"} if input.model == "kept"
