"""A model server for the checks: it speaks the OpenAI and the Anthropic API and behaves as the model asked for is named.

    modelserver.py PORT

"good" repeats what it was asked, or calls the first tool that it is offered with it, if the conversation has no tool's
result yet. "limited" answers 429 with Retry-After, "broken" 500, "busy" 503 (529 to the Anthropic API), "slow" streams a
word each 200 ms for a minute, "cut" ends its stream half-way. A response that is to be stored is kept, under an id of its
own. GET /seen tells how many calls there were of each model, how many streams were left by their reader, and how many bodies
held an address of mail that redaction should have taken out.
"""

import base64
import itertools
import json
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAILURES = {"limited": (429, "rate_limit_error"), "broken": (500, "api_error"), "busy": (503, "overloaded_error")}
SECRET = "upstream-key"
WAIT = "1"  # seconds; Retry-After of a 429
VECTOR = [0.25, -0.5, 1.0]
WORDS = ["slowly "] * 300
USAGE = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21}

lock = threading.Lock()
seen, left, leaks = {}, {}, 0
kept, numbers = {}, itertools.count(1)  # responses by their ids, each with its input


def count(table, model):
    with lock:
        table[model] = table.get(model, 0) + 1


def texts(value):
    """Every text of a message's content."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(filter(None, map(texts, value)))
    if isinstance(value, dict):
        return value.get("text") or ""
    return ""


def turns(body):
    said = body.get("messages") or body.get("input") or []
    return [{"role": "user", "content": said}] if isinstance(said, str) else said


def asked(body):
    """What the user said last."""
    return [said for t in turns(body) if t.get("role") == "user" and (said := texts(t.get("content")))][-1]


def tool(body):
    """The name of the tool to call, or None: none is offered, or one has been called."""
    results = json.dumps(turns(body))
    if not body.get("tools") or "tool_result" in results or "function_call_output" in results or '"role": "tool"' in results:
        return None
    first = body["tools"][0]
    return first.get("function", first)["name"]


def arguments(body):
    return {"city": "Graz", "note": asked(body)}


def slices(text):
    return [text[n : n + 7] for n in range(0, len(text), 7)]


class Chat:
    """The chat completions API."""

    @staticmethod
    def whole(body):
        name = tool(body)
        message = {"role": "assistant", "content": None if name else "You said: " + asked(body)}
        if name:
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments(body))}}]
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if name else "stop", "logprobs": None}
        return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": USAGE}

    @staticmethod
    def events(body):
        def chunk(delta, reason=None):
            choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
            return None, {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"], "choices": [choice]}

        name = tool(body)
        yield chunk({"role": "assistant", "content": None if name else ""})
        if name:
            yield chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}]})
            for part in slices(json.dumps(arguments(body))):
                yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
        else:
            for part in WORDS if body["model"] == "slow" else slices("You said: " + asked(body)):
                yield chunk({"content": part})
        yield chunk({}, "tool_calls" if name else "stop")
        if (body.get("stream_options") or {}).get("include_usage"):
            yield None, {**chunk({})[1], "choices": [], "usage": USAGE}
        yield None, "[DONE]"


class Responses:
    """The responses API."""

    @staticmethod
    def item(body):
        name = tool(body)
        if name:
            return {"type": "function_call", "id": f"fc_{body['n']}", "call_id": "call_1", "name": name, "arguments": json.dumps(arguments(body)), "status": "completed"}
        part = {"type": "output_text", "text": "You said: " + asked(body), "annotations": [], "logprobs": []}
        return {"type": "message", "id": f"msg_{body['n']}", "role": "assistant", "status": "completed", "content": [part]}

    @staticmethod
    def whole(body, status="completed", output=None):
        usage = {"input_tokens": 12, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 9,
                 "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 21}
        return {"id": f"resp_{body['n']}", "object": "response", "created_at": 1, "status": status, "model": body["model"], "error": None,
                "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0,
                "tool_choice": "auto", "tools": [], "top_p": 1.0, "store": bool(body.get("store")),
                "output": [Responses.item(body)] if output is None else output,
                "usage": usage if status == "completed" else None}

    @staticmethod
    def keep(body):
        """Keeps what is to be stored; False where the request refers to what is not kept."""
        with lock:
            items = {item["id"] for whole, _ in kept.values() for item in whole["output"]}
            named = {t["id"] for t in turns(body) if t.get("type") == "item_reference"}
            if not named <= items or body.get("previous_response_id") not in (None, *kept):
                return False
            body["n"] = next(numbers)
            if body.get("store"):
                kept[f"resp_{body['n']}"] = Responses.whole(body), turns(body)
        return True

    @staticmethod
    def about(method, name, rest):
        """What is asked about a response that is kept; None where there is none, or nothing is known of it."""
        with lock:
            if name not in kept:
                return None
            whole, items = kept[name]
            if (method, rest) == ("DELETE", ""):
                del kept[name]
                return {"id": name, "object": "response", "deleted": True}
            if (method, rest) == ("GET", "input_items"):
                data = [{"type": "message", "id": f"in_{n}", "status": "completed", "role": t.get("role", "user"),
                         "content": [{"type": "input_text", "text": texts(t.get("content"))}]} for n, t in enumerate(items)]
                return {"object": "list", "data": data, "first_id": "in_0", "last_id": f"in_{len(data) - 1}", "has_more": False}
            return whole if (method, rest) in (("GET", ""), ("POST", "cancel")) else None

    @staticmethod
    def events(body):
        for n, (kind, data) in enumerate(Responses.steps(body)):
            yield kind, {"type": kind, "sequence_number": n, **data}

    @staticmethod
    def steps(body):
        item, begun = Responses.item(body), Responses.whole(body, "in_progress", [])
        at = {"item_id": item["id"], "output_index": 0}
        yield "response.created", {"response": begun}
        yield "response.in_progress", {"response": begun}
        if item["type"] == "message":
            part, at = item["content"][0], {**at, "content_index": 0}
            yield "response.output_item.added", {"output_index": 0, "item": {**item, "status": "in_progress", "content": []}}
            yield "response.content_part.added", {**at, "part": {**part, "text": ""}}
            for text in WORDS if body["model"] == "slow" else slices(part["text"]):
                yield "response.output_text.delta", {**at, "delta": text, "logprobs": []}
            yield "response.output_text.done", {**at, "text": part["text"], "logprobs": []}
            yield "response.content_part.done", {**at, "part": part}
        else:
            yield "response.output_item.added", {"output_index": 0, "item": {**item, "status": "in_progress", "arguments": ""}}
            for text in slices(item["arguments"]):
                yield "response.function_call_arguments.delta", {**at, "delta": text}
            yield "response.function_call_arguments.done", {**at, "name": item["name"], "arguments": item["arguments"]}
        yield "response.output_item.done", {"output_index": 0, "item": item}
        yield "response.completed", {"response": Responses.whole(body)}


class Messages:
    """The Anthropic messages API."""

    @staticmethod
    def blocks(body):
        name = tool(body)
        if not name:
            return [{"type": "text", "text": "You said: " + asked(body)}], "end_turn"
        return [{"type": "text", "text": "I look."}, {"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments(body)}], "tool_use"

    @staticmethod
    def message(body, blocks, reason):
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": blocks, "stop_reason": reason,
                "stop_sequence": None, "usage": {"input_tokens": 12, "output_tokens": 9 if blocks else 1}}

    @staticmethod
    def whole(body):
        return Messages.message(body, *Messages.blocks(body))

    @staticmethod
    def events(body):
        for kind, data in Messages.steps(body):
            yield kind, {"type": kind, **data}

    @staticmethod
    def steps(body):
        blocks, reason = Messages.blocks(body)
        yield "message_start", {"message": Messages.message(body, [], None)}
        for i, block in enumerate(blocks):
            if block["type"] == "text":
                empty, said, kind = {**block, "text": ""}, block["text"], ("text_delta", "text")
            else:
                empty, said, kind = {**block, "input": {}}, json.dumps(block["input"]), ("input_json_delta", "partial_json")
            yield "content_block_start", {"index": i, "content_block": empty}
            yield "ping", {}
            for part in WORDS if body["model"] == "slow" else slices(said):
                yield "content_block_delta", {"index": i, "delta": {"type": kind[0], kind[1]: part}}
            yield "content_block_stop", {"index": i}
        yield "message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 9}}
        yield "message_stop", {}


APIS = {"/v1/chat/completions": Chat, "/v1/responses": Responses, "/v1/messages": Messages}


def embeddings(body):
    inputs = body["input"] if isinstance(body["input"], list) and not isinstance(body["input"][0], int) else [body["input"]]
    vector = VECTOR
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{len(VECTOR)}f", *VECTOR)).decode()
    data = [{"object": "embedding", "index": i, "embedding": vector} for i in range(len(inputs))]
    return {"object": "list", "model": body["model"], "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, body, **headers):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status, kind, **headers):
        error = {"type": kind, "message": "the model server's own words", "code": kind, "param": None}
        if self.path.startswith("/v1/messages"):
            return self.send(529 if status == 503 else status, {"type": "error", "error": error, "request_id": "req_upstream"}, **headers)
        return self.send(status, {"error": error}, **headers)

    def do_GET(self):
        if self.path.startswith("/v1/responses/"):
            self.about()
            return
        with lock:
            self.send(200, {"seen": seen, "left": left, "leaks": leaks})

    def do_DELETE(self):
        self.about()

    def known(self):
        return SECRET in (self.headers.get("x-api-key"), (self.headers.get("authorization") or "").removeprefix("Bearer "))

    def about(self):
        count(seen, "good")
        name, _, rest = self.path.removeprefix("/v1/responses/").partition("?")[0].partition("/")
        found = self.known() and Responses.about(self.command, name, rest)
        if found:
            self.send(200, found)
        else:
            self.fail(404 if self.known() else 401, "not_found_error")

    def do_POST(self):
        global leaks
        raw = self.rfile.read(int(self.headers["content-length"]))
        if self.path.startswith("/v1/responses/"):
            self.about()
            return
        if b"@example.com" in raw:
            with lock:
                leaks += 1
        body = json.loads(raw)
        count(seen, body["model"])
        if not self.known():
            self.fail(401, "authentication_error")
        elif body["model"] in FAILURES:
            status, kind = FAILURES[body["model"]]
            self.fail(status, kind, **({"retry_after": WAIT} if status == 429 else {}))
        elif self.path == "/v1/messages/count_tokens":
            self.send(200, {"input_tokens": 14})
        elif self.path == "/v1/embeddings":
            self.send(200, embeddings(body))
        elif self.path not in APIS or self.path == "/v1/responses" and not Responses.keep(body):
            self.fail(404, "not_found_error")
        elif body.get("stream"):
            self.stream(body["model"], APIS[self.path].events(body))
        else:
            self.send(200, APIS[self.path].whole(body))

    def stream(self, model, events):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for n, (kind, data) in enumerate(events):
                if model == "cut" and n == 6:
                    self.close_connection = True
                    return
                self.event(kind, data if isinstance(data, str) else json.dumps(data))
                if model == "slow":
                    time.sleep(0.2)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            count(left, model)
            self.close_connection = True

    def event(self, kind, data):
        part = ((f"event: {kind}\n" if kind else "") + f"data: {data}\n\n").encode()
        self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.flush()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
