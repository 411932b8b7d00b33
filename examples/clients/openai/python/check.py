"""What the OpenAI SDK for Python does through Sluice: check.py BASE_URL KEY

BASE_URL ends in /v1. Exits with 1 at the first thing that is not as it should be. The models are those of ../sluice.yaml.
"""

import sys

import openai

base, key = sys.argv[1], sys.argv[2]
text = "Hello from the model server."
user = [{"role": "user", "content": "Say hello."}]
chat_tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
tool = {"type": "function", "name": "get_weather", "parameters": chat_tool["function"]["parameters"], "strict": False}
client = openai.OpenAI(base_url=base, api_key=key)


def want(what, got, expected):
    if got != expected:
        sys.exit(f"FAILED  {what}: {got!r}, want {expected!r}")
    print(f"ok  {what}")


def fails(what, kind, status, code, call):
    """The call fails with the SDK's own error of that kind."""
    try:
        call()
    except openai.APIStatusError as e:
        return want(what, (type(e), e.status_code, e.code, bool(e.request_id)), (kind, status, code, True))
    sys.exit(f"FAILED  {what}: no error")


want("models", "model" in [m.id for m in client.models.list()], True)
want("one model", client.models.retrieve("model").id, "model")

c = client.chat.completions.create(model="model", messages=user)
want("chat", (c.choices[0].message.content, c.usage.total_tokens), (text, 12))
chunks = client.chat.completions.create(model="model", messages=user, stream=True)
want("chat, streamed", "".join(x.choices[0].delta.content or "" for x in chunks if x.choices), text)
c = client.chat.completions.create(model="model", messages=user, tools=[chat_tool])
want("chat, a tool", c.choices[0].message.tool_calls[0].function.arguments, '{"city": "Oslo"}')

want("embeddings", client.embeddings.create(model="model", input=["a", "b"]).data[1].embedding, [1.0, 2.0])
want("embeddings, as numbers", client.embeddings.create(model="model", input="a", encoding_format="float").data[0].embedding, [1.0, 2.0])

r = client.responses.create(model="model", input="Say hello.", instructions="Be short.")
want("responses", (r.output_text, r.status, r.store, r.usage.total_tokens), (text, "completed", False, 12))
r = client.responses.create(model="model", input=[{"role": "user", "content": [{"type": "input_text", "text": "Write to ana@example.com"}]}])
want("responses, a value of the caller's comes back", r.output_text, text + " ana@example.com")
with client.responses.stream(model="model", input="Write to ana@example.com") as stream:
    events = list(stream)
    final = stream.get_final_response()
deltas = "".join(e.delta for e in events if e.type == "response.output_text.delta")
done = [e.text for e in events if e.type == "response.output_text.done"]
want("responses, streamed", (deltas, done, final.output_text), (text + " ana@example.com", [text + " ana@example.com"], text + " ana@example.com"))
want("its numbers", [e.sequence_number for e in client.responses.create(model="model", input="Say hello.", stream=True)], list(range(13)))
r = client.responses.create(model="model", input="What is the weather?", tools=[tool])
want("responses, a tool", (r.output[0].type, r.output[0].arguments), ("function_call", '{"city": "Oslo"}'))
r = client.responses.create(model="model", tools=[tool], input=[
    {"role": "user", "content": "What is the weather?"}, r.output[0].model_dump(exclude_none=True),
    {"type": "function_call_output", "call_id": r.output[0].call_id, "output": "rain"}])
want("responses, its result", r.output_text, text)

fails("a wrong key", openai.AuthenticationError, 401, "unauthenticated",
      lambda: openai.OpenAI(base_url=base, api_key="slk_wrong").responses.create(model="model", input="a"))
fails("a model that is denied", openai.PermissionDeniedError, 403, "denied_by_policy", lambda: client.responses.create(model="denied", input="a"))
fails("an unknown model", openai.BadRequestError, 400, "unknown_model", lambda: client.responses.create(model="none", input="a"))
fails("a model that is not there", openai.NotFoundError, 404, "unknown_model", lambda: client.models.retrieve("none"))
fails("state", openai.BadRequestError, 400, "unsupported_field", lambda: client.responses.create(model="model", input="a", store=True))
fails("state of others", openai.BadRequestError, 400, "unsupported_field",
      lambda: client.responses.create(model="model", input="a", previous_response_id="resp_1"))
fails("a model server at its limit", openai.RateLimitError, 429, "rate_limited", lambda: client.responses.create(model="limited", input="a"))
fails("a model server that fails", openai.InternalServerError, 502, "upstream_error", lambda: client.responses.create(model="broken", input="a"))
try:
    list(client.responses.create(model="cut", input="a", stream=True))
    sys.exit("FAILED  a stream that is cut: no error")
except openai.APIError as e:
    want("a stream that is cut", e.code, "stream_interrupted")

stream = client.responses.create(model="slow", input="a", stream=True)
for event in stream:
    if event.type == "response.output_text.delta":
        break
stream.close()
print("ok  a stream that is left")
