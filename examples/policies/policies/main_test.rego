package sluice_test

import data.sluice

models := {
	"small": {"health": "healthy", "latency_bucket": "fast", "cost": {"input": 1, "output": 1}},
	"large": {"health": "healthy", "latency_bucket": "slow", "cost": {"input": 9, "output": 9}},
}

# ask is a whole input, with what differs from the usual put over it.
ask(over) := object.union(
	{
		"principal": {"id": "key:a", "tenant": "red", "roles": ["developer"]},
		"client": {"headers": {}},
		"time": {"weekday": "Monday", "hour": 12},
		"model": "large",
		"models": models,
		"labels": {},
		"prompt": {"tools": []},
	},
	over,
)

decide(over) := decision if decision := sluice.decision with input as ask(over)

test_usual if {
	decide({}) == {
		"allowed": true,
		"models": ["large", "small"],
		"endpoints": {"labels": {}},
		"cache": {"mode": "read-write", "scope": "principal", "ttl_seconds": 600},
		"restore": {"tools": set()},
		"annotations": {},
	}
}

test_picks_the_cheapest if {
	d := decide({"model": ""})
	d.models == ["small", "large"]
	d.cache.scope == "tenant"
}

test_card_stays_on_premises if {
	d := decide({"labels": {"sluice": {"redacted.card": 1}}})
	d.allowed
	d.endpoints.labels == {"region": "on-prem"}
	d.cache.mode == "off"
}

test_card_of_a_tenant_of_another_region_goes_nowhere if {
	d := decide({"principal": {"tenant": "blue"}, "model": "small", "labels": {"sluice": {"redacted.card": 1}}})
	d.reasons == {"residency_contradiction"}
}

test_secret_is_denied if {
	d := decide({"labels": {"sluice": {"redacted.secret": 1}}})
	d.reasons == {"sensitive_data"}
	d.message == "The text has data that must not be sent to a model."
}

test_region_of_the_tenant if {
	d := decide({"principal": {"tenant": "blue"}, "model": "small"})
	d.endpoints.labels == {"region": "eu"}
	d.models == ["small"]
}

test_admit_denies_early if {
	a := sluice.admit with input as ask({"principal": {"tenant": "blue"}})
	not a.allowed
	a.reasons == {"model_not_for_tenant"}
	a.message == "Your tenant may not use this model."
}

test_admit_allows if {
	a := sluice.admit with input as ask({})
	a.allowed
}

test_hours if decide({"principal": {"roles": ["intern"]}, "model": "small", "time": {"hour": 20}}).reasons == {"outside_hours"}

test_incident if {
	d := decide({"principal": {"tenant": "blue", "roles": ["on-call"]}, "client": {"headers": {"x-break-glass": "INC-1"}}})
	d.allowed
	d.models == ["large", "small"]
	d.annotations == {"break_glass": "INC-1", "waived": "model_not_for_tenant"}
}

test_incident_does_not_waive_all if {
	d := decide({
		"principal": {"roles": ["on-call"]}, "client": {"headers": {"x-break-glass": "INC-1"}},
		"labels": {"sluice": {"redacted.secret": 1}},
	})
	d.reasons == {"sensitive_data"}
}

test_tools if {
	decide({"prompt": {"tools": ["crm_write"]}}).restore.tools == {"crm_write"}
	decide({"principal": {"roles": ["intern"]}, "model": "small", "prompt": {"tools": ["x"]}}).reasons == {"tool_not_allowed"}
}

test_unknown_model if decide({"model": "nope"}).reasons == {"model_unknown"}

test_nothing_allowed if decide({"model": "", "principal": {"tenant": "blue", "roles": ["nobody"]}}).reasons == {"no_role", "no_model_allowed"}

test_every_reason_has_a_sentence if {
	every code in ["no_role", "model_not_allowed", "tenant_unknown", "tenant_suspended", "score_too_high"] {
		sluice.message({code}) != code
	}
}

test_undecided if {
	d := sluice.decision with input as {"principal": {"tenant": "red", "roles": ["developer"]}}
	d == {"allowed": false, "reasons": {"undecided"}}
}
