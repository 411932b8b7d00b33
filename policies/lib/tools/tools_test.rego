package sluice.tools_test

import data.sluice.tools

ask(roles, offered) := {"principal": {"roles": roles}, "prompt": {"tools": offered}}

rules := {"developer": ["search_*"], "admin": ["*"]}

test_offered_and_allowed if {
	tools.denials == set() with input as ask(["developer"], ["search_web", "search_code"]) with data.tools as rules
}

test_one_of_them_is_not_allowed if {
	tools.denials == {"tool_not_allowed"} with input as ask(["developer"], ["search_web", "delete_all"])
		with data.tools as rules
}

test_another_role_may if tools.denials == set() with input as ask(["admin"], ["delete_all"]) with data.tools as rules

test_no_tools if tools.denials == set() with input as ask(["nobody"], []) with data.tools as rules

test_without_a_list_all_may if tools.denials == set() with input as ask([], ["x"]) with data.tools as false

test_restored if {
	tools.restored == {"crm_write"} with input as ask([], ["crm_write", "search_web"])
		with data.restore as {"tools": ["crm_*"]}
	tools.restored == set() with input as ask([], ["crm_write"]) with data.restore as {}
}
