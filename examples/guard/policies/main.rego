# METADATA
# title: Deny by guard's score
# description: |
#   data.scores says from which score on a request is denied. What the lists of the configuration reject never comes here.
package sluice

import data.sluice.access
import data.sluice.choice
import data.sluice.sensitive

# METADATA
# description: Why the request is denied; none means that it is allowed.
reasons := (access.denials | choice.denials) | sensitive.denials

# METADATA
# description: Asked after the filters. What is neither allowed nor denied below is denied here.
# entrypoint: true
default decision := {"allowed": false, "reasons": {"undecided"}}

decision := {"allowed": false, "reasons": reasons} if count(reasons) > 0

decision := {"allowed": true, "models": choice.models} if count(reasons) == 0
