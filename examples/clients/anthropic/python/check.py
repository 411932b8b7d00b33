"""What the Anthropic SDK for Python does through Sluice."""

import anthropic

from checks import ANSWER, ARGUMENTS, ASK, CODES, KEY, PARAMETERS, URL, Watch, check, fails, finish

client = anthropic.Anthropic(base_url=URL, api_key=KEY)
hi = [{"role": "user", "content": ASK}]
tools = [{"name": "look", "input_schema": PARAMETERS}]


def create(model="claude", c=client, **more):
    return c.messages.create(model=model, max_tokens=64, messages=more.pop("messages", hi), **more)


def read(err):
    return err.status_code, err.body["error"]["code"]


m = create(system="Be short.")
check("plain", (m.content[0].text, m.stop_reason, m.usage.input_tokens), (ANSWER, "end_turn", 12))
check("its id", len(m._request_id or ""), 36)
check("models", "claude" in [m.id for m in client.models.list()], True)

with client.messages.stream(model="claude", max_tokens=64, messages=hi) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
check("stream", (text, final.content[0].text, final.usage.output_tokens), (ANSWER, ANSWER, 9))
names = [e.type for e in create(stream=True)]
check("its events", (names[0], names[-1]), ("message_start", "message_stop"))

m = create(tools=tools, tool_choice={"type": "any"})
check("tool call", (m.stop_reason, m.content[1].name, m.content[1].input), ("tool_use", "look", ARGUMENTS))
with client.messages.stream(model="claude", max_tokens=64, messages=hi, tools=tools) as stream:
    final = stream.get_final_message()
check("streamed tool call", final.content[1].input, ARGUMENTS)
result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": final.content[1].id, "content": "Sunny."}]}
m = create(messages=[*hi, {"role": "assistant", "content": final.content}, result], tools=tools)
check("tool result", (m.stop_reason, m.content[0].text), ("end_turn", ANSWER))

check("usage tokens counted", client.messages.count_tokens(model="claude", messages=hi).input_tokens, 14)
check("a message of another dialect", create("good").content[0].text, ANSWER)

wrong = client.with_options(api_key="slk_wrong")
search = [{"type": "web_search_20250305", "name": "web_search"}]
fails("400", anthropic.BadRequestError, 400, "unsupported_field", lambda: create(tools=search), read)
fails("401", anthropic.AuthenticationError, 401, "unauthenticated", lambda: create(c=wrong), read)
fails("403", anthropic.PermissionDeniedError, *CODES["denied"], lambda: create("denied"), read)
fails("429", anthropic.RateLimitError, *CODES["limited"], lambda: create("claude-limited"), read)
fails("500 there", anthropic.InternalServerError, *CODES["broken"], lambda: create("claude-broken"), read)
fails("529 there", anthropic.ServiceUnavailableError, 503, "overloaded", lambda: create("claude-busy", stream=True), read)
fails("503", anthropic.ServiceUnavailableError, *CODES["paused"], lambda: create("paused"), read)
check("another endpoint's answer", create("failover").content[0].text, ANSWER)

with Watch() as watch, client.messages.stream(model="claude-slow", max_tokens=64, messages=hi) as stream:
    first = next(iter(stream.text_stream))
check("a stream that is left", (first[:6], watch.short), ("slowly", True))
check("and after it", create().stop_reason, "end_turn")
finish()
