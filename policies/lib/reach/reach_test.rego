package sluice.reach_test

import data.sluice.reach

rules := {"developer": ["web_search"], "admin": ["store", "vector_store:vs_1"]}

test_by_role if {
	reach.allowed == {"web_search"} with input as {"principal": {"roles": ["developer"]}} with data.reach as rules
}

test_all_roles_count if {
	reach.allowed == {"web_search", "store", "vector_store:vs_1"}
		with input as {"principal": {"roles": ["admin", "developer"]}}
		with data.reach as rules
}

test_other_roles_get_nothing if {
	reach.allowed == set() with input as {"principal": {"roles": ["nobody"]}} with data.reach as rules
}

test_without_data_nothing if {
	reach.allowed == set() with input as {"principal": {"roles": ["admin"]}} with data.reach as {}
}
