package sluice.breakglass_test

import data.sluice.breakglass

rules := {"roles": ["on-call"], "waives": ["outside_hours", "model_not_allowed"]}

ask(role, headers) := {"principal": {"roles": [role]}, "client": {"headers": headers}}

reasons := {"outside_hours", "sensitive_data"}

test_waives_what_it_may if {
	i := ask("on-call", {"x-break-glass": "INC-4711"})
	breakglass.waived(reasons) == {"outside_hours"} with input as i with data.breakglass as rules
	a := breakglass.annotations(reasons) with input as i with data.breakglass as rules
	a == {"break_glass": "INC-4711", "waived": "outside_hours"}
}

test_needs_the_role if {
	i := ask("developer", {"x-break-glass": "INC-4711"})
	breakglass.waived(reasons) == set() with input as i with data.breakglass as rules
	breakglass.annotations(reasons) == {} with input as i with data.breakglass as rules
}

test_needs_an_incident if {
	breakglass.waived(reasons) == set() with input as ask("on-call", {}) with data.breakglass as rules
	every value in ["", "please", "INC-", "INC-1; drop", "inc-1"] {
		breakglass.waived(reasons) == set() with input as ask("on-call", {"x-break-glass": value})
			with data.breakglass as rules
	}
}

test_nothing_to_waive if {
	i := ask("on-call", {"x-break-glass": "INC-1"})
	breakglass.annotations({"sensitive_data"}) == {} with input as i with data.breakglass as rules
}

test_off_without_data if {
	breakglass.waived(reasons) == set() with input as ask("on-call", {"x-break-glass": "INC-1"})
		with data.breakglass as {}
}
