package sluice.caching_test

import data.sluice.caching

rules := {"shared": ["faq-*"], "never": ["secret"], "ttl_seconds": 60}

ask(model, own) := cache if {
	cache := caching.cache(model) with input as {"labels": {"sluice": own}} with data.caching as rules
}

test_shared if ask("faq-1", {}) == {"mode": "read-write", "scope": "tenant", "ttl_seconds": 60}

test_findings_narrow_it if ask("faq-1", {"redacted.email": 1}).scope == "principal"

test_other_models_are_not_shared if ask("chat", {}).scope == "principal"

test_never_kept if ask("faq-1", {"redacted.secret": 1}).mode == "off"

test_defaults if {
	caching.cache("faq-1") == {"mode": "read-write", "scope": "principal", "ttl_seconds": 0} with input as {"labels": {}}
		with data.caching as {}
}
