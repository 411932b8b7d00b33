package sluice_test

test_a_developer_may if data.sluice.decision.allowed with input as {"principal": {"roles": ["developer"]}}

test_others_may_not if {
	decision := data.sluice.decision with input as {"principal": {"roles": ["guest"]}}
	decision == {"allowed": false, "reasons": {"not_a_developer"}}
}
