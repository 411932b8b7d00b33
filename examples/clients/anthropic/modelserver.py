"""A model server for the checks: it speaks the Anthropic API and behaves as the model asked for is named.

    modelserver.py PORT

claude answers, calls the tool it is offered, counts; claude-limited, claude-broken and claude-busy answer 429, 500 and
529; claude-slow streams a word each 200 ms for a minute. /seen tells how many requests there were for each model, and how
many streams were left by their reader.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

seen = {}
left = {}
failures = {
    "claude-limited": (429, "rate_limit_error"),
    "claude-broken": (500, "api_error"),
    "claude-busy": (529, "overloaded_error"),
}
text = "Hello from the model server."


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

    def fail(self, status, kind, message):
        self.send(status, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_upstream"})

    def do_GET(self):
        if self.path == "/seen":
            self.send(200, {"seen": seen, "left": left})
        else:
            self.fail(404, "not_found_error", "no such path")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model = body.get("model", "")
        seen[model] = seen.get(model, 0) + 1
        if self.headers.get("x-api-key") != "upstream-key":
            self.fail(401, "authentication_error", "invalid x-api-key")
        elif not self.headers.get("anthropic-version"):
            self.fail(400, "invalid_request_error", "anthropic-version: header is required")
        elif model in failures:
            self.fail(*failures[model], "upstream text")
        elif self.path == "/v1/messages/count_tokens":
            self.send(200, {"input_tokens": 14})
        elif body.get("stream"):
            self.stream(model, body)
        else:
            blocks, reason = self.blocks(body)
            self.send(200, message(model, blocks, reason))

    def blocks(self, body):
        if body.get("tools"):
            call = {"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"], "input": {"city": "Graz", "days": [1, 2]}}
            return [{"type": "text", "text": "I look."}, call], "tool_use"
        return [{"type": "text", "text": text}], "end_turn"

    def event(self, data):
        part = f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
        self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.flush()

    def stream(self, model, body):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            self.events(model, body)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            left[model] = left.get(model, 0) + 1
            self.close_connection = True

    def events(self, model, body):
        blocks, reason = self.blocks(body)
        self.event({"type": "message_start", "message": message(model, [], None)})
        for i, block in enumerate(blocks):
            if block["type"] == "text":
                empty, said, kind = dict(block, text=""), block["text"], ("text_delta", "text")
            else:
                empty, said, kind = dict(block, input={}), json.dumps(block["input"]), ("input_json_delta", "partial_json")
            self.event({"type": "content_block_start", "index": i, "content_block": empty})
            self.event({"type": "ping"})
            parts = ["slowly "] * 300 if model == "claude-slow" else [said[n : n + 7] for n in range(0, len(said), 7)]
            for part in parts:
                self.event({"type": "content_block_delta", "index": i, "delta": {"type": kind[0], kind[1]: part}})
                if model == "claude-slow":
                    time.sleep(0.2)
            self.event({"type": "content_block_stop", "index": i})
        self.event({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 9}})
        self.event({"type": "message_stop"})


def message(model, blocks, reason):
    usage = {"input_tokens": 12, "output_tokens": 9 if blocks else 1}
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": blocks,
            "stop_reason": reason, "stop_sequence": None, "usage": usage}


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
