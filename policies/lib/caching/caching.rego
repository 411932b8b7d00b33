# METADATA
# title: What the cache may do
# description: |
#   data.caching.shared are patterns of models whose answers a tenant shares, data.caching.never are kinds of findings with
#   which nothing is kept. Findings of any other kind keep an answer with the principal. data.caching.ttl_seconds is how
#   long.
package sluice.caching

import data.sluice.sensitive

# METADATA
# description: The cache part of the decision, for the first model to be tried.
cache(model) := {"mode": mode, "scope": scope(model), "ttl_seconds": ttl}

# METADATA
# scope: document
# description: Off where a finding must never rest in memory, not even as the token that stands for it.
default mode := "read-write"

mode := "off" if {
	some kind in sensitive.found
	kind in data.caching.never
}

# METADATA
# scope: document
# description: The tenant's where the model's answers are shared and nothing was found, else the principal's.
default scope(_) := "principal"

scope(model) := "tenant" if {
	count(sensitive.found) == 0
	some pattern in data.caching.shared
	glob.match(pattern, null, model)
}

# METADATA
# scope: document
# description: Seconds; 0 leaves it to the configuration.
default ttl := 0

ttl := data.caching.ttl_seconds
