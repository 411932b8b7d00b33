"""Asks Sluice with the OpenAI SDK for Python, as an application would. Called by run.sh."""

import asyncio
import os

import openai

from checks import cancellations, check, finish, seen, soon

BASE = os.environ["SLUICE_URL"] + "/v1"
EMAIL, CARD = os.environ["EMAIL"], os.environ["CARD"]
client = openai.OpenAI(base_url=BASE, api_key=os.environ["SLUICE_KEY"])


def ok(name: str, passed: object, found: object = "") -> None:
    check("python", name, passed, found)


def ask(messages, **more):
    """One call that is not streamed: its answer, and its response headers."""
    raw = client.chat.completions.with_raw_response.create(
        model="smollm2", messages=messages, **{"temperature": 0, "max_tokens": 24, **more}
    )
    answer = raw.parse()
    seen(raw.headers["x-request-id"], answer.usage, raw.headers["x-sluice-cache"], False, answer.choices[0].message.content)
    return answer, raw.headers


def stream(messages, **more):
    """One streamed call to its end: text, usage, finish_reason, response headers."""
    raw = client.chat.completions.with_raw_response.create(
        model="smollm2", messages=messages, stream=True, stream_options={"include_usage": True},
        **{"temperature": 0, "max_tokens": 24, **more}
    )
    text, usage, finished = "", None, None
    for chunk in raw.parse():
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finished = choice.finish_reason or finished
    seen(raw.headers["x-request-id"], usage, raw.headers["x-sluice-cache"], True, text)
    return text, usage, finished, raw.headers


def user(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def adds_up(usage) -> bool:
    return 0 < usage.prompt_tokens and 0 < usage.completion_tokens and usage.prompt_tokens + usage.completion_tokens == usage.total_tokens


def answers() -> None:
    names = [m.id for m in client.models.list()]
    ok("models.list() names the models this key may use", names == ["smollm2"], names)

    question = user("What do bees make?")
    answer, headers = ask(question)
    text = answer.choices[0].message.content
    ok("a chat answers with text", text.strip(), answer)
    ok("usage adds up", adds_up(answer.usage), answer.usage)
    ok("finish_reason is stop or length", answer.choices[0].finish_reason in ("stop", "length"), answer.choices[0])
    ok("the first call is a miss", headers["x-sluice-cache"] == "miss", headers["x-sluice-cache"])

    again, headers = ask(question)
    ok("an identical call is a hit", headers["x-sluice-cache"] == "hit", headers["x-sluice-cache"])
    ok("the hit has the same text", again.choices[0].message.content == text, again)
    ok("the hit has the same usage", again.usage == answer.usage, again.usage)

    told, usage, finished, headers = stream(question)
    ok("an identical streamed call is a hit", headers["x-sluice-cache"] == "hit", headers["x-sluice-cache"])
    ok("it streams the same text", told == text, told)
    ok("it has the same usage", usage and usage.total_tokens == answer.usage.total_tokens, usage)
    ok("it has the same finish_reason", finished == answer.choices[0].finish_reason, finished)

    question = user("What is a river?")
    told, usage, finished, headers = stream(question)
    ok("a stream that is made live is a miss", headers["x-sluice-cache"] == "miss", headers["x-sluice-cache"])
    ok("its text is not empty", told.strip(), told)
    ok("its usage adds up", usage and adds_up(usage), usage)
    ok("its finish_reason is stop or length", finished in ("stop", "length"), finished)
    whole, headers = ask(question)
    ok("the same call whole is a hit", headers["x-sluice-cache"] == "hit", headers["x-sluice-cache"])
    ok("and has the streamed text", whole.choices[0].message.content == told, whole)
    ok("and the streamed usage", whole.usage.model_dump() == usage.model_dump(), whole.usage)

    other, headers = ask(question, temperature=0.7, seed=7)
    ok("another temperature is another call", headers["x-sluice-cache"] == "miss", headers["x-sluice-cache"])

    parts = [{"role": "user", "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": " hello."}]}]
    answer, _ = ask(parts)
    ok("content in parts is answered", answer.choices[0].message.content.strip(), answer)


def redaction() -> None:
    def chat(text):  # a small model is shown twice what to do
        return [*user(f"Repeat: {text}"), {"role": "assistant", "content": text}] * 2 + user(f"Repeat: {text}")

    answer, _ = ask(chat(f"{EMAIL} and {CARD}"))
    text = answer.choices[0].message.content
    ok("the caller gets both values back", EMAIL in text and CARD in text, text)
    text, _, _, _ = stream(chat(f"{CARD} and {EMAIL}"))
    ok("streamed, the caller gets both values back", EMAIL in text and CARD in text, text)

    parts = [{"type": "text", "text": f"Is this a card number? {CARD[:9]}"}, {"type": "text", "text": CARD[9:]}]
    answer, _ = ask([{"role": "user", "content": parts}])
    ok("a card number split over two parts is answered", answer.choices[0].message.content.strip(), answer)
    answer, _ = ask([{"role": "system", "content": f"You answer mail for {EMAIL}."}, *user("Who are you?")])
    ok("an address in the system message is answered", answer.choices[0].message.content.strip(), answer)


def raises(kind, call):
    """The error of a call that must fail with exactly this class."""
    try:
        call()
    except openai.OpenAIError as err:
        return err if type(err) is kind else None, err
    return None, "no error"


def errors() -> None:
    hello = user("Hello")

    def create(c=client, model="smollm2", messages=hello, **more):
        return lambda: c.chat.completions.create(model=model, messages=messages, max_tokens=8, **more)

    err, found = raises(openai.AuthenticationError, create(client.with_options(api_key="slk_wrong")))
    ok("a wrong key raises AuthenticationError", err and err.code == "unauthenticated", found)
    ok("the error carries the request id", err and err.request_id, found)
    err, found = raises(openai.AuthenticationError, create(client.with_options(api_key="slk_wrong"), stream=True))
    ok("so it does where a stream is asked for", err and err.code == "unauthenticated", found)
    err, found = raises(openai.PermissionDeniedError, create(model="smollm2-restricted"))
    ok("a forbidden model raises PermissionDeniedError", err and err.code == "denied_by_policy", found)
    ok("the error says why", err and "do not allow this model" in err.message, found)
    err, found = raises(openai.PermissionDeniedError, create(model="smollm2-restricted", stream=True))
    ok("so it does where a stream is asked for", err and err.code == "denied_by_policy", found)
    err, found = raises(openai.BadRequestError, create(model="no-such-model"))
    ok("an unknown model raises BadRequestError", err and err.code == "unknown_model", found)
    err, found = raises(openai.BadRequestError, create(messages=[]))
    ok("no messages raise BadRequestError", err and err.body.keys() >= {"message", "type", "param", "code"}, found)
    err, found = raises(openai.BadRequestError, create(messages=[{"role": "wizard", "content": "Hello"}]))
    ok("an unknown role raises BadRequestError and is named", err and err.param == "messages[0].role", found)
    err, found = raises(openai.BadRequestError, create(messages=[{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}]))
    ok("a picture, which redaction cannot read, raises BadRequestError", err and err.code == "opaque_content", found)
    err, found = raises(openai.BadRequestError, create(messages=user("many words " * 2000)))
    ok("what the model server refuses raises BadRequestError", err and err.code == "upstream_rejected", found)
    ok("without the model server's own words", err and "tokens" not in str(err), found)


LONG = {"messages": user("Write a very long story about a mountain."), "max_tokens": 1500, "temperature": 0}


def leaving() -> None:
    before = cancellations()
    s = client.chat.completions.create(model="smollm2", stream=True, **LONG)
    for _, _ in zip(range(5), s):
        pass
    s.close()
    took = soon(lambda: cancellations() > before)
    ok(f"closing a stream stops the model{f' ({took * 1000:.0f} ms)' if took is not None else ''}", took is not None and took < 1, took)


async def together() -> None:
    """Two identical questions at once are one call to the model."""
    c = openai.AsyncOpenAI(base_url=BASE, api_key=os.environ["SLUICE_KEY"])

    async def one():
        raw = await c.chat.completions.with_raw_response.create(
            model="smollm2", messages=user("Why is the sky blue?"), max_tokens=32, temperature=0
        )
        return raw.headers["x-sluice-cache"], raw.parse().choices[0].message.content

    (how, text), (other_how, other_text) = await asyncio.gather(one(), one())
    ok("of two identical calls at once one is made", sorted([how, other_how]) == ["coalesced", "miss"], (how, other_how))
    ok("both get its text", text == other_text and text.strip(), (text, other_text))
    await c.close()


answers()
redaction()
errors()
leaving()
asyncio.run(together())
finish()
