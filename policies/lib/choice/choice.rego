# METADATA
# title: Which model serves
# description: The model that was asked for; where none was, all allowed ones, best first.
package sluice.choice

import data.sluice.access

# METADATA
# scope: document
# description: Models in order of preference.
models := [input.model] if input.model != ""

models := [candidate[2] | some candidate in candidates] if input.model == ""

# METADATA
# description: |
#   Allowed models as [rank of health, cost, name]: a set is in order, so the best is first. A model that is down stays,
#   as the last; it may be up again when it is tried.
candidates contains [object.get(ranks, model.health, 0), model.cost.input + model.cost.output, name] if {
	some name, model in input.models
	access.allowed(name)
}

# METADATA
# description: Ranks of health. What is not here counts as healthy.
ranks := {"degraded": 1, "warming": 1, "down": 2}

# METADATA
# scope: document
# description: Reasons that are known once a model is chosen.
denials contains "model_unknown" if {
	input.model != ""
	not input.models[input.model]
}

denials contains "no_model_allowed" if {
	input.model == ""
	access.known
	count(models) == 0
}
