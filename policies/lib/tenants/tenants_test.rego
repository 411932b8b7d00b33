package sluice.tenants_test

import data.sluice.tenants

list := {"red": {"models": ["small-*", "vendor/*"]}, "blue": {"models": ["*"], "suspended": true}}

ask(tenant, model) := reasons if {
	reasons := tenants.denials with input as {"principal": {"tenant": tenant}, "model": model}
		with data.tenants as list
}

test_model_of_the_tenant if {
	ask("red", "small-1") == set()
	ask("red", "vendor/x.1") == set()
}

test_model_of_another if ask("red", "large-1") == {"model_not_for_tenant"}

test_no_model_asked_for if ask("red", "") == set()

test_unknown_tenant if ask("green", "small-1") == {"tenant_unknown"}

test_suspended_tenant if ask("blue", "small-1") == {"tenant_suspended"}

test_without_a_list_all_may if {
	tenants.denials == set() with input as {"principal": {"tenant": "green"}, "model": "x"} with data.tenants as false
	tenants.allowed("x") with input as {"principal": {"tenant": "green"}} with data.tenants as false
}

test_candidates_are_held_against_the_list if {
	not tenants.allowed("large-1") with input as {"principal": {"tenant": "red"}} with data.tenants as list
}
