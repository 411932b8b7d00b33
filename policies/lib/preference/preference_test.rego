package sluice.preference_test

import data.sluice.preference

facts(health, latency, cost) := {"health": health, "latency_bucket": latency, "cost": {"input": cost, "output": cost}}

list := {
	"a": facts("healthy", "slow", 1),
	"b": facts("healthy", "fast", 5),
	"c": facts("down", "fast", 0),
	"d": facts("unknown", "unknown", 2),
}

pick(asked, allowed, settings) := models if {
	models := preference.models(allowed) with input as {"model": asked, "models": list}
		with data.preference as settings
}

names := {"a", "b", "c", "d"}

test_health_then_latency_then_cost if pick("", names, {}) == ["b", "d", "a", "c"]

test_cost_first if pick("", names, {"order": ["cost"]}) == ["c", "a", "d", "b"]

test_only_allowed_ones if pick("", {"a", "d"}, {}) == ["d", "a"]

test_not_too_dear if pick("", names, {"max_cost": 4}) == ["d", "a", "c"]

test_the_one_asked_for_without_fallbacks if pick("a", names, {}) == ["a"]

test_the_one_asked_for_then_its_fallbacks if {
	pick("a", names, {"fallbacks": {"a": ["*"]}}) == ["a", "b", "d", "c"]
	pick("a", {"a", "c"}, {"fallbacks": {"a": ["*"]}}) == ["a", "c"]
}

test_equal_ones_by_name if {
	models := preference.models({"y", "x"}) with input as {"model": "", "models": {"y": list.a, "x": list.a}}
	models == ["x", "y"]
}
