package sluice.residency_test

import data.sluice.residency

rules := {"tenants": {"red": {"region": "eu"}}, "roles": {"health": {"region": "on-prem", "tier": "gold"}, "legal": {"region": "eu"}}}

need(tenant, roles) := pairs if {
	pairs := residency.required with input as {"principal": {"tenant": tenant, "roles": roles}}
		with data.residency as rules
}

test_of_the_tenant if residency.labels(need("red", [])) == {"region": "eu"}

test_of_a_role if residency.labels(need("blue", ["health"])) == {"region": "on-prem", "tier": "gold"}

test_same_value_twice if {
	pairs := need("red", ["legal"])
	residency.labels(pairs) == {"region": "eu"}
	residency.denials(pairs) == set()
}

test_two_values if {
	pairs := need("red", ["health"])
	residency.labels(pairs) == {"tier": "gold"}
	residency.denials(pairs) == {"residency_contradiction"}
}

test_nothing_required if {
	need("blue", []) == set()
	residency.labels(set()) == {}
	residency.required == set() with input as {"principal": {"tenant": "red", "roles": []}}
}
