"""A model server for the checks: it speaks the OpenAI API and behaves as the model asked for is named.

    modelserver.py PORT

model answers, and calls the tool it is offered; limited and broken answer 429 and 500; cut ends its stream half-way; slow
streams a word each 200 ms for a minute. /seen tells how many streams were left by their reader.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

left = 0
failures = {"limited": 429, "broken": 500}
text = "Hello from the model server."
arguments = '{"city": "Oslo"}'
usage = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
chat_usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def response(ask, said, status="completed"):
    output = [{"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
               "content": [{"type": "output_text", "text": said, "annotations": [], "logprobs": []}]}]
    if ask.get("tools") and "function_call_output" not in json.dumps(ask["input"]):
        output = [{"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "get_weather", "arguments": arguments}]
    begun = status == "in_progress"
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": None, "incomplete_details": None, "model": ask["model"],
            "instructions": ask.get("instructions"), "metadata": {}, "output": [] if begun else output, "parallel_tool_calls": True, "store": ask["store"],
            "temperature": 1, "tool_choice": "auto", "tools": ask.get("tools", []), "top_p": 1, "usage": None if begun else usage}


def events(ask, said):
    """The events of a stream, without their numbers."""
    part = lambda t: {"type": "output_text", "text": t, "annotations": [], "logprobs": []}
    item = lambda status, content: {"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": content}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    yield {"type": "response.created", "response": response(ask, said, "in_progress")}
    yield {"type": "response.in_progress", "response": response(ask, said, "in_progress")}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", [])}
    yield {"type": "response.content_part.added", **at, "part": part("")}
    words = ["word "] * 300 if ask["model"] == "slow" else [said[i:i + 6] for i in range(0, len(said), 6)]
    for n, word in enumerate(words):
        if ask["model"] == "cut" and n == 2:
            return
        if ask["model"] == "slow":
            time.sleep(0.2)
        yield {"type": "response.output_text.delta", **at, "delta": word, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": said, "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part(said)}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item("completed", [part(said)])}
    yield {"type": "response.completed", "response": response(ask, said)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.send(200, {"left": left} if self.path == "/seen" else {"object": "list", "data": []})

    def do_POST(self):
        ask = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = text + (" [EMAIL_1]" if "[EMAIL_1]" in json.dumps(ask) else "")
        if ask["model"] in failures:
            return self.send(failures[ask["model"]], {"error": {"message": "no", "type": "x", "param": None, "code": None}})
        if self.path.endswith("/embeddings"):
            vector = "AACAPwAAAEA=" if ask.get("encoding_format") == "base64" else [1.0, 2.0]
            inputs = ask["input"] if isinstance(ask["input"], list) else [ask["input"]]
            return self.send(200, {"object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1},
                                   "data": [{"object": "embedding", "index": i, "embedding": vector} for i in range(len(inputs))]})
        if self.path.endswith("/responses"):
            if not ask.get("stream"):
                return self.send(200, response(ask, said))
            return self.stream(({**e, "sequence_number": n} for n, e in enumerate(events(ask, said))), [])
        message = {"role": "assistant", "content": said}
        if ask.get("tools"):
            message = {"role": "assistant", "content": None,
                       "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}]}
        frame = {"id": "c", "created": 1, "model": "m"}
        if not ask.get("stream"):
            return self.send(200, {**frame, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": chat_usage})
        chunk = lambda delta, why: {**frame, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": why}]}
        return self.stream([chunk(message, None), chunk({}, "stop"), {**frame, "object": "chat.completion.chunk", "choices": [], "usage": chat_usage}], ["[DONE]"])

    def stream(self, data, end):
        global left
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for e in data:
                name = f"event: {e['type']}\n" if "type" in e else ""
                self.wfile.write(f"{name}data: {json.dumps(e)}\n\n".encode())
                self.wfile.flush()
            for word in end:
                self.wfile.write(f"data: {word}\n\n".encode())
        except OSError:
            left += 1


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
