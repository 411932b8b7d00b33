# METADATA
# title: All of the library in one policy
# description: |
#   Every module of lib gives reasons to deny, or facts about where a request may go. This file alone puts them together;
#   which of them matter, data.json says.
package sluice

import data.sluice.access
import data.sluice.breakglass
import data.sluice.caching
import data.sluice.hours
import data.sluice.preference
import data.sluice.residency
import data.sluice.sensitive
import data.sluice.tenants
import data.sluice.tools

# METADATA
# description: Known before the filters run; a caller denied here costs nothing more.
early := (access.denials | tenants.denials) | hours.denials

# METADATA
# description: Known after them.
late := (sensitive.denials | tools.denials) | (residency.denials(needed) | unserved)

# METADATA
# description: What counts after an incident has waived what it may.
reasons := (early | late) - breakglass.waived(early | late)

# METADATA
# description: Asked before the filters.
# entrypoint: true
admit := {"allowed": count(counting) == 0, "reasons": counting, "message": message(counting)} if {
	counting := early - breakglass.waived(early)
}

# METADATA
# description: Asked after the filters. What is neither allowed nor denied below is denied here.
# entrypoint: true
default decision := {"allowed": false, "reasons": {"undecided"}}

decision := {"allowed": false, "reasons": reasons, "message": message(reasons)} if count(reasons) > 0

decision := {
	"allowed": true,
	"models": models,
	"endpoints": {"labels": residency.labels(needed)},
	"cache": caching.cache(models[0]),
	"restore": {"tools": tools.restored},
	"annotations": breakglass.annotations(early | late),
} if {
	count(reasons) == 0
}

# METADATA
# description: The models to try.
models := preference.models(allowed)

# METADATA
# description: Configured models that both the roles and the tenant allow; in an incident also the one asked for.
allowed contains name if {
	some name, _ in input.models
	access.allowed(name)
	tenants.allowed(name)
}

# METADATA
# description: What endpoints must carry, for whatever cause.
needed := residency.required | sensitive.required

# METADATA
# scope: document
# description: There is no model to try.
unserved contains "model_unknown" if {
	input.model != ""
	not input.models[input.model]
}

unserved contains "no_model_allowed" if {
	input.model == ""
	count(models) == 0
}

# METADATA
# description: What the caller of a denied request reads.
message(codes) := concat(" ", [object.get(texts, code, code) | some code in sort(codes)])

# METADATA
# description: One sentence for each reason.
texts := {
	"model_not_allowed": "Your roles do not allow this model.",
	"model_not_for_tenant": "Your tenant may not use this model.",
	"model_unknown": "There is no such model.",
	"no_model_allowed": "You may use none of the models.",
	"no_role": "None of your roles is known.",
	"outside_hours": "Your roles may not be used at this time.",
	"residency_contradiction": "No endpoint can meet all that is required for this data.",
	"score_too_high": "The text was judged to be an attack.",
	"sensitive_data": "The text has data that must not be sent to a model.",
	"tenant_suspended": "Your tenant is suspended.",
	"tenant_unknown": "Your tenant is not known.",
	"tool_not_allowed": "A tool that is offered is not allowed for your roles.",
}
