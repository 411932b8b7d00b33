"""What the OpenAI SDK for Python does through Sluice."""

import json
import re

import openai

from checks import ANSWER, ARGUMENTS, ASK, CODES, KEY, PARAMETERS, URL, VECTOR, Watch, check, fails, finish

client = openai.OpenAI(base_url=URL + "/v1", api_key=KEY)
hi = [{"role": "user", "content": ASK}]
tools = [{"type": "function", "function": {"name": "look", "parameters": PARAMETERS}}]


def create(model="good", c=client, **more):
    return c.chat.completions.create(model=model, messages=more.pop("messages", hi), **more)


def read(err):
    return err.status_code, err.code


chat = create()
check("plain", (chat.choices[0].message.content, chat.usage.total_tokens), (ANSWER, 21))
check("its id", len(chat._request_id or ""), 36)
check("models", client.models.retrieve("good").id in [m.id for m in client.models.list()], True)

chunks = list(create(stream=True, stream_options={"include_usage": True}))
text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
check("stream", (text, chunks[-1].usage.total_tokens), (ANSWER, 21))

call = create(tools=tools).choices[0]
check("tool call", (call.finish_reason, json.loads(call.message.tool_calls[0].function.arguments)), ("tool_calls", ARGUMENTS))
with client.chat.completions.stream(model="good", messages=hi, tools=tools) as stream:
    streamed = stream.get_final_completion().choices[0].message.tool_calls[0].function
check("streamed tool call", (streamed.name, json.loads(streamed.arguments)), ("look", ARGUMENTS))
result = {"role": "tool", "tool_call_id": call.message.tool_calls[0].id, "content": "Sunny."}
check("tool result", create(messages=[*hi, call.message, result], tools=tools).choices[0].message.content, ANSWER)

answer = client.responses.create(model="good", input=ASK)
check("response", (answer.output_text, answer.usage.total_tokens), (ANSWER, 21))
with client.responses.stream(model="good", input=ASK) as stream:
    text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
    check("streamed response", (text, stream.get_final_response().output_text), (ANSWER, ANSWER))
item = client.responses.create(model="good", input=ASK, tools=[{"type": "function", "name": "look", "parameters": PARAMETERS}]).output[0]
check("response's tool call", (item.name, json.loads(item.arguments)), ("look", ARGUMENTS))
check("a chat of another dialect", create("claude").choices[0].message.content, ANSWER)

for model in ("good", "claude"):  # neither model server has completions
    answer = client.completions.create(model=model, prompt=ASK, max_tokens=64)
    check(f"a completion by {model}", (answer.choices[0].text, answer.choices[0].finish_reason), (ANSWER, "stop"))
    chunks = client.completions.create(model=model, prompt=ASK, max_tokens=64, stream=True)
    check(f"streamed completion by {model}", "".join(c.choices[0].text for c in chunks if c.choices), ANSWER)

embedded = client.embeddings.create(model="good", input=["a", "b"])  # the SDK asks for base64
check("embedding", [d.embedding for d in embedded.data], [VECTOR, VECTOR])
embedded = client.embeddings.create(model="good", input="a", encoding_format="float")
check("embedding in numbers", embedded.data[0].embedding, VECTOR)

respond = client.responses.create
stored = respond(model="kept", input=ASK, store=True)
TOKENS = "Write to [EMAIL_]."  # what the model server keeps; values come back in the answer to the request that has them


def unnumbered(text):
    return re.sub(r"(?<=\[EMAIL_)\d{7}(?=\])", "", text)


again = client.responses.retrieve(stored.id)
check("stored response", (stored.output_text, unnumbered(again.output_text)), (ANSWER, "You said: " + TOKENS))
check("its ids", (again.id, again.output[0].id), (stored.id, stored.output[0].id))
check("its input", [unnumbered(i.content[0].text) for i in client.responses.input_items.list(stored.id)], [TOKENS])
check("it is cancelled", client.responses.cancel(stored.id).id, stored.id)
then = respond(model="kept", previous_response_id=stored.id, input=[{"type": "item_reference", "id": stored.output[0].id}, *hi])
check("one that goes on from it", then.output_text, ANSWER)
check("one with its items", respond(model="kept", input=[*hi, *stored.output, *hi]).output_text, ANSWER)
with client.responses.stream(model="kept", input=ASK, store=True) as stream:
    ids = {e.item_id for e in stream if e.type.startswith("response.output_text")}
    kept = stream.get_final_response()
check("stored stream", (ids, client.responses.retrieve(kept.id).output[0].id), ({kept.output[0].id}, kept.output[0].id))
client.responses.delete(stored.id)
fails("deleted", openai.NotFoundError, 404, "not_found", lambda: client.responses.retrieve(stored.id), read)
fails("never stored", openai.NotFoundError, 404, "not_found", lambda: client.responses.delete("resp_1"), read)
fails("state", openai.BadRequestError, 400, "unsupported_field", lambda: respond(model="good", input=ASK, store=True), read)
fails("state of others", openai.BadRequestError, 400, "unsupported_field", lambda: respond(model="good", input=ASK, previous_response_id="resp_1"), read)
fails("404", openai.NotFoundError, 404, "unknown_model", lambda: client.models.retrieve("none"), read)
wrong = client.with_options(api_key="slk_wrong")
fails("401", openai.AuthenticationError, 401, "unauthenticated", lambda: create(c=wrong), read)
fails("403", openai.PermissionDeniedError, *CODES["denied"], lambda: create("denied"), read)
fails("429", openai.RateLimitError, *CODES["limited"], lambda: create("limited"), read)
fails("500 there", openai.InternalServerError, *CODES["broken"], lambda: create("broken"), read)
fails("503 there", openai.InternalServerError, *CODES["busy"], lambda: create("busy", stream=True), read)
fails("503", openai.InternalServerError, *CODES["paused"], lambda: create("paused"), read)
check("another endpoint's answer", create("failover").choices[0].message.content, ANSWER)

fails("a stream that is cut", openai.APIError, None, "stream_interrupted", lambda: list(create("cut", stream=True)), lambda err: (None, err.code))

with Watch() as watch, create("slow", stream=True) as stream:
    first = next(c for c in stream if c.choices and c.choices[0].delta.content)
check("a stream that is left", (first.choices[0].delta.content[:6], watch.short), ("slowly", True))
check("and after it", create().choices[0].message.content, ANSWER)
finish()
