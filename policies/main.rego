# METADATA
# title: The shipped policy
# description: |
#   Roles say which models a principal may use (data.roles), some models are kept for some roles (data.reserved), and
#   where no model is asked for, the healthiest and then the cheapest allowed one is picked. What a request may reach on
#   the model server beside its answer is in data.reach, by role; without it, nothing.
package sluice

import data.sluice.access
import data.sluice.choice
import data.sluice.reach

# METADATA
# description: Asked before the filters run, so that a denied caller costs no more than this.
# entrypoint: true
admit := {"allowed": count(access.denials) == 0, "reasons": access.denials, "message": message(access.denials)}

# METADATA
# description: Asked after the filters. What is neither allowed nor denied below is denied here.
# entrypoint: true
default decision := {"allowed": false, "reasons": {"undecided"}}

decision := {"allowed": false, "reasons": reasons, "message": message(reasons)} if count(reasons) > 0

decision := {
	"allowed": true,
	"models": choice.models,
	"cache": {"mode": "read-write", "scope": cache_scope, "ttl_seconds": cache_ttl},
	"allow": reach.allowed,
	"restore": {"tools": []},
} if {
	count(reasons) == 0
}

# METADATA
# description: Why the request is denied; none means that it is allowed.
reasons := access.denials | choice.denials

# METADATA
# scope: document
# description: Who shares a cached answer. The principal alone, unless data.cache.scope widens it to the tenant.
default cache_scope := "principal"

cache_scope := data.cache.scope

# METADATA
# scope: document
# description: How long an answer may be served from the cache, in seconds.
default cache_ttl := 600

cache_ttl := data.cache.ttl_seconds

# METADATA
# description: What the caller of a denied request reads.
message(codes) := concat(" ", [texts[code] | some code in sort(codes)])

# METADATA
# description: One sentence for each reason.
texts := {
	"model_not_allowed": "Your roles do not allow this model.",
	"model_unknown": "There is no such model.",
	"no_model_allowed": "Your roles allow none of the models.",
	"no_role": "None of your roles is known.",
}
