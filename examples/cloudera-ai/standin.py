"""A stand-in for the Cloudera AI Inference service: its control API, three endpoints, and tokens that are checked.

It answers as the service is documented to: NIM models under /v1, others under /openai/v1, predictive ones under /v2; a page
of HTML where the token is not valid; 503 while an endpoint that was scaled to zero starts.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAMESPACE = "/namespaces/serving-default/endpoints"
ENDPOINTS = {
    "llama": {"api": "/v1", "standard": "openai", "model": "meta/llama-3.1-8b-instruct"},
    "mistral": {"api": "/openai/v1", "standard": "openai", "model": "mistralai/Mistral-7B"},
    "wine": {"api": "/v2", "standard": "oip", "model": "3azn-tmqe-wsze-5u4s"},
}


class Service:
    """What the stand-in knows: the valid token, which endpoints are up, and what it was asked."""

    def __init__(self):
        self.token = ""
        self.down = set()  # scaled to zero: the next request answers 503 and starts them
        self.asked = []
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_port}"

    def endpoint(self, name):
        return f"{self.url}{NAMESPACE}/{name}"

    def handler(service):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.answer(None)

            def do_POST(self):
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def answer(self, body):
                with service.lock:
                    service.asked.append((self.path, body))
                    valid = self.headers["Authorization"] == "Bearer " + service.token
                if not valid:
                    return self.send(401, b"<html>log in</html>", "text/html")
                status, out = service.say(self.path, body)
                if isinstance(out, list):
                    return self.send(status, "".join(f"data: {e}\n\n" for e in out).encode(), "text/event-stream")
                return self.send(status, json.dumps(out).encode(), "application/json")

            def send(self, status, body, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def say(self, path, body):
        """Status and answer of a request with a valid token."""
        if path == "/api/v1alpha1/listEndpoints":
            return 200, {"endpoints": [self.listed(n, e) for n, e in ENDPOINTS.items()]}
        name, _, rest = path.removeprefix(NAMESPACE + "/").partition("/")
        e = ENDPOINTS.get(name)
        if e is None or not ("/" + rest).startswith(e["api"]):
            return 404, {"detail": "Not Found"}
        with self.lock:
            if name in self.down:
                self.down.remove(name)
                return 503, {"detail": "no healthy upstream"}
        operation = ("/" + rest).removeprefix(e["api"])
        if operation == "/chat/completions":
            return self.chat(e, body)
        if operation == f"/models/{e['model']}/infer":
            return 200, {"model_name": e["model"], "outputs": [{"name": "quality", "shape": [1], "datatype": "FP32", "data": [5.5]}]}
        return 404, {"detail": "Not Found"}

    def listed(self, name, e):
        paths = {"openai": "/chat/completions", "oip": f"/models/{e['model']}/infer"}
        return {
            "namespace": "serving-default",
            "name": name,
            "url": self.endpoint(name) + e["api"] + paths[e["standard"]],
            "state": "Loaded",
            "api_standard": e["standard"],
            "model_name": e["model"],
        }

    def chat(self, e, body):
        if body["model"] != e["model"]:
            return 404, {"error": {"message": f"The model {body['model']} does not exist", "type": "NotFoundError"}}
        text = f"{e['model']} read: {body['messages'][-1]['content']}"
        head = {"id": "c1", "object": "chat.completion", "created": 1, "model": e["model"]}
        if not body.get("stream"):
            usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
            return 200, {**head, "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], "usage": usage}
        events = [{**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": c}}]} for c in text]
        events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        return 200, [json.dumps(e) for e in events] + ["[DONE]"]
