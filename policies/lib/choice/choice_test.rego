package sluice.choice_test

import data.sluice.choice

facts(health, cost) := {"health": health, "cost": {"input": cost, "output": cost}}

pick(models) := picked if {
	picked := choice.models with input as {"principal": {"roles": ["r"]}, "model": "", "models": models}
		with data.roles as {"r": ["*"]}
		with data.reserved as {}
}

test_health_before_cost if {
	pick({"a": facts("down", 0), "b": facts("degraded", 1), "c": facts("healthy", 9)}) == ["c", "b", "a"]
}

test_unknown_health_counts_as_healthy if {
	pick({"a": facts("unknown", 2), "b": facts("healthy", 1)}) == ["b", "a"]
}

test_equal_models_by_name if {
	pick({"b": facts("healthy", 1), "a": facts("healthy", 1)}) == ["a", "b"]
}

test_the_one_asked_for if {
	choice.models == ["a"] with input.model as "a"
}
