"""Counts the calls that a client made, at the gateway and at the model server: counts.py CLIENT AUDIT SEEN

AUDIT is the gateway's audit log, SEEN what the model server says of itself. The gateway tries a model server again, within
its budget, before it answers with an error, and says x-should-retry: false then. A client that heeds it makes one request of
each error; one that does not makes those of REQUESTS. What was said before any model server was tried (503 of a model that
gets no calls) is for the client to repeat.
"""

import json
import sys

from checks import check, finish

client, audit, seen = sys.argv[1:]
# Requests that a client makes of a model that fails, where it does not heed x-should-retry.
REQUESTS = {"vercel-ai": {"limited": 3}, "llamaindex": {"limited": 2, "paused": 6}}
MODELS = ("denied", "limited", "broken", "busy", "paused", "failover", "slow")

with open(audit) as f:
    records = [r for r in map(json.loads, f) if r["kind"] == "exchange"]
with open(seen) as f:
    server = json.load(f)
want = {"denied": 1, "limited": 1, "broken": 1, "busy": 1, "paused": 3, "failover": 1, "slow": 1, **REQUESTS.get(client, {})}

for model in MODELS:
    of = [r for r in records if r.get("model_asked", "").removeprefix("claude-") == model]
    check(f"requests of {model}", len(of), want[model])
    tried = [len(r.get("attempts") or []) for r in of]
    if model in ("denied", "paused"):
        check("which no model server was asked", sum(tried), 0)
    if model in ("limited", "broken", "busy"):
        check("which the gateway tried three times at most", sum(tried) > 0 and max(tried, default=0) <= 3, True)

sent = {}
for a in (a for r in records for a in r.get("attempts") or []):
    name = "broken" if a["endpoint"] == "first" else a["model"].removeprefix("claude-")
    name = name if name in ("limited", "broken", "busy", "slow", "cut") else "good"
    sent[name] = sent.get(name, 0) + 1
check("calls at the model server are the attempts of the audit log", server["seen"], sent)
check("streams that were left ended at the model server, too", server["left"], {"slow": want["slow"]})
check("and are in the audit log as cancelled", [r["outcome"] for r in records if r.get("model_asked", "").endswith("slow")], ["cancelled"] * want["slow"])
check("no address reached the model server", server["leaks"], 0)
finish()
