# METADATA
# title: Working hours
# description: |
#   data.hours maps a role to the hours in which it may be used: {"from": 8, "to": 18, "weekdays": ["Monday", ...]}, UTC,
#   from the first hour to before the last; a range over midnight is one whose end is before its beginning. Roles that are
#   not named may be used at any time, and one such role is enough.
package sluice.hours

# METADATA
# description: Reasons that are known before the filters run.
denials contains "outside_hours" if {
	count(input.principal.roles) > 0
	every role in input.principal.roles {
		data.hours[role]
		not open(data.hours[role])
	}
}

# METADATA
# description: It is one of the days and hours.
open(when) if {
	input.time.weekday in when.weekdays
	within(when)
}

# METADATA
# scope: document
# description: It is one of the hours, on the clock of the day.
within(when) if {
	when.from <= when.to
	input.time.hour >= when.from
	input.time.hour < when.to
}

within(when) if {
	when.from > when.to
	input.time.hour >= when.from
}

within(when) if {
	when.from > when.to
	input.time.hour < when.to
}
