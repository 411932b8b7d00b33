package sluice.sensitive_test

import data.sluice.sensitive

rules := {"secret": "deny", "card": {"region": "on-prem"}}

labels(own) := {"labels": {"sluice": own}}

test_found_however_it_was_dealt_with if {
	sensitive.found == {"card", "email"} with input as labels({"redacted.card": 2, "reported.email": 1, "redacted.iban": 0, "other": 3})
}

test_denied if {
	sensitive.denials == {"sensitive_data"} with input as labels({"redacted.secret": 1})
		with data.sensitive as rules
}

test_kept_on_some_endpoints if {
	sensitive.required == {["region", "on-prem"]} with input as labels({"redacted.card": 1})
		with data.sensitive as rules
	sensitive.denials == set() with input as labels({"redacted.card": 1}) with data.sensitive as rules
}

test_denial_requires_no_endpoint if {
	sensitive.required == set() with input as labels({"redacted.secret": 1}) with data.sensitive as rules
}

test_other_kinds_pass if {
	sensitive.denials == set() with input as labels({"redacted.email": 9}) with data.sensitive as rules
	sensitive.required == set() with input as labels({"redacted.email": 9}) with data.sensitive as rules
}

test_score if {
	f := {"labels": {"guard": {"score": 80}}}
	sensitive.denials == {"score_too_high"} with input as f with data.scores as {"guard": 80}
	sensitive.denials == set() with input as f with data.scores as {"guard": 81}
	sensitive.denials == set() with input as {"labels": {}} with data.scores as {"guard": 1}
}
