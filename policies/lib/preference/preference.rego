# METADATA
# title: Cost and latency aware choice of a model, with fallbacks
# description: |
#   data.preference.order says what counts first among health, latency and cost (the default order);
#   data.preference.max_cost leaves out models that cost more (input and output together, USD per million usage tokens);
#   data.preference.fallbacks maps a model to patterns of those that may answer in its place.
package sluice.preference

# METADATA
# scope: document
# description: |
#   The models to try, best first, of those that are allowed: where one is asked for, that one and then its fallbacks;
#   where none is, all.
models(allowed) := array.concat([input.model], ranked(fallbacks & allowed)) if input.model != ""

models(allowed) := ranked(affordable & allowed) if input.model == ""

# METADATA
# description: Models that may answer in the place of the one asked for.
fallbacks contains name if {
	some name in affordable
	name != input.model
	some pattern in data.preference.fallbacks[input.model]
	glob.match(pattern, null, name)
}

# METADATA
# description: Models that cost no more than they may.
affordable contains name if {
	some name, model in input.models
	not too_dear(model)
}

# METADATA
# description: The model costs more than any may.
too_dear(model) if model.cost.input + model.cost.output > data.preference.max_cost

# METADATA
# description: Names in order of their ranks; a set is in order, so the best is first, and equal ones are so by name.
ranked(names) := [entry[1] | some entry in {[[rank(by, input.models[name]) | some by in order], name] | some name in names}]

# METADATA
# scope: document
# description: What counts, first things first.
default order := ["health", "latency", "cost"]

order := data.preference.order

# METADATA
# scope: document
# description: A number for a model in one respect; the less the better.
rank("health", model) := object.get({"degraded": 1, "warming": 1, "down": 2}, model.health, 0)

rank("latency", model) := object.get({"fast": 0, "medium": 1, "slow": 2}, model.latency_bucket, 1)

rank("cost", model) := model.cost.input + model.cost.output
