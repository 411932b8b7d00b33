"""Compares what callers saw with what was written down: the model server's own log and Sluice's audit log. Called by
run.sh when all have ended."""

import json
import os
import re

from checks import RUN, check, finish, model_log

EMAIL, CARD, PHONE = os.environ["EMAIL"], os.environ["CARD"], os.environ["PHONE"]
KEYS = [os.environ["SLUICE_KEY"], os.environ["SLUICE_OTHER_KEY"]]


def ok(name: str, passed: object, found: object = "") -> None:
    check("logs", name, passed, found)


def bare(text: str) -> str:
    """Text less everything but letters and digits, so that no way to write a value hides it."""
    return re.sub(r"[\W_]", "", text)


def unescaped(text: str) -> str:
    """The log beside itself with JSON's escapes resolved."""
    return text + re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m.group(1), 16)), text)


def read(name: str) -> str:
    with open(os.path.join(RUN, name), encoding="utf-8") as f:
        return f.read()


def model_server() -> None:
    log = unescaped(model_log())
    asked = log.count(" asked\n")
    ok("the model server was asked", asked > 20, asked)
    for name, value in (("e-mail address", EMAIL), ("card number", CARD), ("phone number", PHONE)):
        ok(f"the model server's log holds no {name}", value not in log and bare(value) not in bare(log))
    ok("nor half of the card number", CARD[:9] not in log and CARD[10:] not in log)
    for token in ("[EMAIL_1]", "[CARD_1]", "[PHONE_1]"):
        ok(f"it holds {token} in its place", token in log)
    answers = re.findall(r"^--- \d+ (?:stop|length) after .*\n((?:(?!---).*\n)*)", log, re.M)
    ok("the model's own answers spoke of the tokens", any("[EMAIL_1]" in a and "[CARD_1]" in a for a in answers))
    ok("no caller's key reached the model server", not any(k in log for k in KEYS))
    ok("every request to it carried its own credential", log.count("(this server's credential)") == log.count(" asked\n"))


def audit() -> None:
    text = read("audit.jsonl")
    records = {r["id"]: r for r in map(json.loads, text.splitlines()) if r["kind"] == "exchange"}
    exchanges = [json.loads(line) for line in read("seen.jsonl").splitlines()]
    ok("callers have seen exchanges", len(exchanges) > 15, len(exchanges))
    wrong = []
    for e in exchanges:
        r = records.get(e["id"])
        expected = {"cache": e["cache"], "outcome": "complete", "status": 200, "usage": (e["input"], e["output"]), "stream": e["stream"]}
        if r is None:
            wrong.append((e["id"], "no record"))
            continue
        usage = r.get("usage", {})
        found = {
            "cache": r["cache"], "outcome": r["outcome"], "status": r["status"], "stream": r.get("stream", False),
            "usage": (usage.get("input"), usage.get("output")),
        }
        if found != expected:
            wrong.append((e["id"], expected, found))
    ok(f"the audit log agrees with what callers saw, usage included ({len(exchanges)} exchanges)", not wrong, wrong)

    outcomes = [r["outcome"] for r in records.values()]
    ok("cancelled exchanges are recorded as such", outcomes.count("cancelled") >= 4, outcomes)
    ok("the stream that the outage cut is recorded as truncated", outcomes.count("truncated") == 1, outcomes)
    codes = {r.get("code") for r in records.values()}
    ok("verdicts are recorded", {"denied_by_policy", "unknown_model", "upstream_rejected"} <= codes, codes)
    redacted = [r["redacted_request"] for r in records.values() if "redacted_request" in r]
    kinds = {kind for r in redacted for kind in r}
    ok("redactions are counted by kind", {"email", "card", "phone"} <= kinds, kinds)
    hits = [r for r in records.values() if r.get("cache") == "hit"]
    ok("a hit never went to the model server", hits and not any(r.get("attempts") for r in hits), hits)
    asked = sum(len(r.get("attempts", [])) for r in records.values())
    refused = sum(a.get("code") == "upstream_unreachable" for r in records.values() for a in r.get("attempts", []))
    ok("each attempt is one request in the model server's log", asked - refused == model_log().count(" asked\n"), (asked, refused))

    for name in ("audit.jsonl", "sluice.err"):
        kept = read(name)
        ok(f"{name} holds no value, key or text", not any(v in kept for v in (EMAIL, CARD, PHONE, *KEYS, "lighthouse")))


model_server()
audit()
finish()
