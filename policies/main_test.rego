package sluice_test

import data.sluice

roles := {"admin": ["*"], "developer": ["*"], "intern": ["model-a"], "idle": []}

reserved := {"*-restricted": ["admin"]}

models := {
	"model-a": {"health": "healthy", "cost": {"input": 1, "output": 2}},
	"model-b": {"health": "healthy", "cost": {"input": 0.1, "output": 0.2}},
	"model-restricted": {"health": "healthy", "cost": {"input": 0, "output": 0}},
}

# decide asks for a decision for one role and model.
decide(role, model) := decision if {
	decision := sluice.decision with input as {"principal": {"roles": [role]}, "model": model, "models": models}
		with data.roles as roles
		with data.reserved as reserved
}

test_allowed_model if {
	d := decide("developer", "model-a")
	d.allowed
	d.models == ["model-a"]
	d.restore.tools == []
	d.allow == set()
}

test_reach_is_by_role if {
	d := sluice.decision with input as {"principal": {"roles": ["developer"]}, "model": "model-a", "models": models}
		with data.roles as roles
		with data.reserved as reserved
		with data.reach as {"developer": ["web_search"]}
	d.allow == {"web_search"}
}

test_reserved_model_is_denied_with_reason if {
	d := decide("developer", "model-restricted")
	not d.allowed
	d.reasons == {"model_not_allowed"}
	d.message == "Your roles do not allow this model."
}

test_reserved_model_is_allowed_to_its_role if {
	decide("admin", "model-restricted").allowed
}

test_model_outside_the_role if {
	decide("intern", "model-b").reasons == {"model_not_allowed"}
}

test_unknown_role if {
	decide("stranger", "model-a").reasons == {"no_role"}
}

test_no_role_at_all if {
	d := sluice.decision with input as {"principal": {"roles": []}, "model": "", "models": models}
		with data.roles as roles
	d.reasons == {"no_role"}
}

test_unknown_model if {
	decide("admin", "model-z").reasons == {"model_unknown"}
}

test_every_reason_is_told if {
	d := decide("intern", "model-z")
	d.reasons == {"model_not_allowed", "model_unknown"}
	d.message == "Your roles do not allow this model. There is no such model."
}

test_pick_is_the_cheapest_allowed if {
	decide("developer", "").models == ["model-b", "model-a"]
}

test_nothing_to_pick if {
	decide("idle", "").reasons == {"no_model_allowed"}
}

test_cache_of_the_principal_by_default if {
	d := sluice.decision with input as {"principal": {"roles": ["developer"]}, "model": "model-a", "models": models}
		with data.roles as roles
		with data.cache as {}
	d.cache == {"mode": "read-write", "scope": "principal", "ttl_seconds": 600}
}

test_cache_by_data if {
	d := sluice.decision with input as {"principal": {"roles": ["developer"]}, "model": "model-a", "models": models}
		with data.roles as roles
		with data.cache as {"scope": "tenant", "ttl_seconds": 5}
	d.cache == {"mode": "read-write", "scope": "tenant", "ttl_seconds": 5}
}

test_admit if {
	a := sluice.admit with input as {"principal": {"roles": ["developer"]}, "model": "model-a"}
		with data.roles as roles
		with data.reserved as reserved
	a.allowed
	a.reasons == set()
}

test_admit_denies_before_the_filters if {
	a := sluice.admit with input as {"principal": {"roles": ["developer"]}, "model": "model-restricted"}
		with data.roles as roles
		with data.reserved as reserved
	not a.allowed
	a.reasons == {"model_not_allowed"}
}

test_undecided_is_denied if {
	d := sluice.decision with input as {"principal": {"roles": ["developer"]}}
	d == {"allowed": false, "reasons": {"undecided"}}
}
