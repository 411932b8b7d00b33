"""Ends the model server in the middle of an answer and looks at what callers see. Called by run.sh as the last that asks."""

import os
import signal

import openai

from checks import check, finish

client = openai.OpenAI(base_url=os.environ["SLUICE_URL"] + "/v1", api_key=os.environ["SLUICE_KEY"], max_retries=0)
hello = [{"role": "user", "content": "Write a very long story about a village."}]


def ok(name: str, passed: object, found: object = "") -> None:
    check("outage", name, passed, found)


def create(**more):
    return client.chat.completions.create(model="smollm2", messages=hello, temperature=0, max_tokens=1500, **more)


try:
    text = ""
    for n, chunk in enumerate(create(stream=True)):
        text += chunk.choices[0].delta.content or ""
        if n == 5:
            os.kill(int(os.environ["MODEL_PID"]), signal.SIGTERM)
    ok("a stream whose model server dies ends with an error", False, text)
except openai.APIError as err:
    ok("a stream whose model server dies ends with an error", err.code == "stream_interrupted", err)
    ok("what came before it was delivered", text.strip(), text)

try:
    create()
    ok("a call to a model server that is down raises InternalServerError", False)
except openai.APIError as err:
    ok("a call to a model server that is down raises InternalServerError", type(err) is openai.InternalServerError, err)
    ok("its status is 502 or 503", getattr(err, "status_code", 0) in (502, 503), err)
    ok("it says that a retry is pointless", err.response.headers.get("x-should-retry") == "false", dict(err.response.headers))

finish()
