package sluice.hours_test

import data.sluice.hours

rules := {
	"intern": {"from": 8, "to": 18, "weekdays": ["Monday", "Friday"]},
	"night": {"from": 22, "to": 6, "weekdays": ["Monday", "Tuesday"]},
}

ask(roles, weekday, hour) := reasons if {
	reasons := hours.denials with input as {"principal": {"roles": roles}, "time": {"weekday": weekday, "hour": hour}}
		with data.hours as rules
}

test_the_first_hour_is_in if ask(["intern"], "Monday", 8) == set()

test_the_last_hour_is_out if ask(["intern"], "Monday", 18) == {"outside_hours"}

test_before if ask(["intern"], "Friday", 7) == {"outside_hours"}

test_another_day if ask(["intern"], "Sunday", 12) == {"outside_hours"}

test_over_midnight if {
	ask(["night"], "Monday", 23) == set()
	ask(["night"], "Tuesday", 5) == set()
	ask(["night"], "Tuesday", 6) == {"outside_hours"}
	ask(["night"], "Monday", 21) == {"outside_hours"}
}

test_a_role_without_hours_is_enough if ask(["intern", "admin"], "Sunday", 3) == set()

test_any_role_in_its_hours_is_enough if ask(["intern", "night"], "Monday", 23) == set()

test_no_role_is_another_rules_matter if ask([], "Sunday", 3) == set()
