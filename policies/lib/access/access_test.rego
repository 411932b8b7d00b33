package sluice.access_test

import data.sluice.access

test_pattern_spans_dots_and_slashes if {
	access.allowed("vendor/model-1.5") with input as {"principal": {"roles": ["r"]}}
		with data.roles as {"r": ["vendor/*"]}
}

test_no_pattern_grants_nothing if {
	not access.allowed("model-a") with input as {"principal": {"roles": ["r"]}}
		with data.roles as {"r": ["model-b", "model-aa"]}
}

test_any_role_is_enough if {
	access.allowed("model-a") with input as {"principal": {"roles": ["x", "r"]}}
		with data.roles as {"r": ["model-a"]}
}

test_reserved_for_one_of_the_roles if {
	not access.reserved("model-restricted") with input as {"principal": {"roles": ["developer", "admin"]}}
		with data.reserved as {"*-restricted": ["admin"]}
}

test_two_reservations_must_both_be_met if {
	access.reserved("eu-restricted") with input as {"principal": {"roles": ["admin"]}}
		with data.reserved as {"*-restricted": ["admin"], "eu-*": ["europe"]}
}

test_nothing_reserved if {
	not access.reserved("model-a") with input as {"principal": {"roles": ["developer"]}}
		with data.reserved as {}
}
