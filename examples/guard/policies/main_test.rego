package sluice_test

import data.sluice

asked(labels) := {
	"principal": {"id": "red", "tenant": "red", "roles": ["developer"]},
	"operation": "chat_completions",
	"model": "model-a",
	"models": {"model-a": {"labels": {}, "cost": {"input": 1, "output": 1}, "context": 0, "health": "healthy", "latency_bucket": "fast"}},
	"labels": labels,
}

test_harmless_is_allowed if {
	sluice.decision.allowed with input as asked({"guard": {"score": 0}})
}

test_low_score_is_allowed if {
	sluice.decision.allowed with input as asked({"guard": {"score": 50, "jailbreak": 1}})
}

test_high_score_is_denied if {
	d := sluice.decision with input as asked({"guard": {"score": 75, "override": 1}})
	d == {"allowed": false, "reasons": {"score_too_high"}}
}
