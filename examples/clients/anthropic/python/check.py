"""What the Anthropic SDK for Python does through Sluice: check.py BASE_URL KEY

Exits with 1 at the first thing that is not as it should be. The models are those of ../sluice.yaml.
"""

import sys
import time

import anthropic
import httpx2

base, key = sys.argv[1], sys.argv[2]
sent = 0
hi = [{"role": "user", "content": "Say hello."}]
weather = [{"name": "get_weather", "description": "The weather of a city.",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]


def count(_):
    global sent
    sent += 1


def client(api_key=key, **options):
    hooks = httpx2.Client(event_hooks={"request": [count]}, timeout=30)
    return anthropic.Anthropic(base_url=base, api_key=api_key, http_client=hooks, **options)


def want(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: {got!r}, want {expected!r}")
    print(f"ok  {what}")


def fails(what, kind, status, code, **ask):
    """The call fails as the API's own errors do, after one request: whether to try again is said by the gateway."""
    global sent
    sent = 0
    c = ask.pop("client", None) or client()
    try:
        c.messages.create(**{"model": "claude", "max_tokens": 64, "messages": hi, **ask})
    except anthropic.APIStatusError as e:
        error = e.body["error"]
        want(what, (type(e).__name__, e.status_code, error["code"], sent), (kind, status, code, 1))
        want(what + ": its id", e.request_id == e.body["request_id"] and len(e.request_id) == 36, True)
        return
    sys.exit(f"{what}: no error")


c = client()
m = c.messages.create(model="claude", max_tokens=64, messages=hi, system="Be short.")
want("plain", (m.content[0].text, m.stop_reason, m.usage.input_tokens), ("Hello from the model server.", "end_turn", 12))
want("its id", len(m._request_id or ""), 36)

events = []
with c.messages.stream(model="claude", max_tokens=64, messages=hi) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
want("stream", (text, final.content[0].text, final.usage.output_tokens), (m.content[0].text, m.content[0].text, 9))
names = [e.type for e in c.messages.create(model="claude", max_tokens=64, messages=hi, stream=True)]
want("its events", (names[0], names[-1]), ("message_start", "message_stop"))

m = c.messages.create(model="claude", max_tokens=64, messages=hi, tools=weather, tool_choice={"type": "any"})
want("tool call", (m.stop_reason, m.content[1].name, m.content[1].input), ("tool_use", "get_weather", {"city": "Graz", "days": [1, 2]}))
with c.messages.stream(model="claude", max_tokens=64, messages=hi, tools=weather) as stream:
    final = stream.get_final_message()
want("streamed tool call", final.content[1].input, {"city": "Graz", "days": [1, 2]})
turns = hi + [{"role": "assistant", "content": final.content},
              {"role": "user", "content": [{"type": "tool_result", "tool_use_id": final.content[1].id, "content": "Sunny."}]}]
m = c.messages.create(model="claude", max_tokens=64, messages=turns)
want("tool result", m.content[0].text, "Hello from the model server.")

want("count_tokens", c.messages.count_tokens(model="claude", messages=hi).input_tokens, 14)
want("models", "claude" in [m.id for m in c.models.list()], True)

fails("no such key", "AuthenticationError", 401, "unauthenticated", client=client("slk_wrong"))
fails("denied", "PermissionDeniedError", 403, "denied_by_policy", model="claude-denied")
fails("no such model", "BadRequestError", 400, "unknown_model", model="claude-none")
fails("a tool of the vendor's", "BadRequestError", 400, "unsupported_field", tools=[{"type": "web_search_20250305", "name": "web_search"}])
fails("limited", "RateLimitError", 429, "rate_limited", model="claude-limited")
fails("broken", "InternalServerError", 502, "upstream_error", model="claude-broken")
fails("busy", "ServiceUnavailableError", 503, "overloaded", model="claude-busy")

begun = time.monotonic()
with c.messages.stream(model="claude-slow", max_tokens=64, messages=hi) as stream:
    for text in stream.text_stream:
        break
want("a stream that is left", (text[:6], time.monotonic() - begun < 20), ("slowly", True))
want("and after it", c.messages.create(model="claude", max_tokens=64, messages=hi).stop_reason, "end_turn")
