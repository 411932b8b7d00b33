"""Runs the launcher as the platform does, against a stand-in of the Inference service, and checks what callers get."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from standin import Service

home, key = sys.argv[1:]
jwt = os.path.join(home, "jwt")
service = Service()
failed = 0


def check(what, ok, seen=""):
    global failed
    failed += not ok
    print(("ok    " if ok else "FAILED"), what, "" if ok else f"saw: {seen}", flush=True)


def rotate(token):
    """A new token, as the workbench writes it; the old one is worth nothing from now on."""
    service.token = token
    with open(jwt + ".new", "w") as f:
        json.dump({"access_token": token}, f)
    os.replace(jwt + ".new", jwt)


def listener():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s


def ask(path, body, with_key=True):
    """Status and JSON of the gateway's answer, or its text where it is a stream."""
    req = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode())
    if with_key:
        req.add_header("x-api-key", key)
    try:
        with urllib.request.urlopen(req, timeout=60) as r:
            text, status = r.read().decode(), r.status
    except urllib.error.HTTPError as e:
        text, status = e.read().decode(), e.code
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def wait_for(line):
    for _ in range(600):
        if any(line in said for said in output):
            return True
        if launcher.poll() is not None:
            return False
        time.sleep(0.1)
    return False


rotate("first-token")
taken = listener()  # the kernel holds the application's port
taken.listen()
free = listener()
port = free.getsockname()[1]
free.close()
env = {
    **os.environ,
    "SLUICE_HOME": home,
    "CDSW_APP_PORT": str(taken.getsockname()[1]),
    "CDSW_READONLY_PORT": str(port),
    "MODEL_A_URL": service.endpoint("llama"),
    "MODEL_B_URL": service.endpoint("mistral") + "/openai/v1",
    "MODEL_C_URL": service.endpoint("wine"),
}
launcher = subprocess.Popen([sys.executable, "launcher.py"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
output = []
threading.Thread(target=lambda: output.extend(iter(launcher.stdout.readline, "")), daemon=True).start()

try:
    up = False
    for _ in range(600):
        try:
            up = urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).read() == b'{"ok":true}'
            break
        except OSError:
            if launcher.poll() is not None:
                break
            time.sleep(0.1)
    check("the application listens on the second port where the first is taken", up, "".join(output))

    status, got = ask("/inference", {"model_name": "model-a", "inputs": "Hello"})
    check("a NIM endpoint answers under the name it was found by", (status, got) == (200, {"output": "meta/llama-3.1-8b-instruct read: Hello"}), got)
    status, got = ask("/inference", {"model_name": "model-b", "inputs": "Hello"})
    check("an endpoint under /openai/v1 answers too", (status, got) == (200, {"output": "mistralai/Mistral-7B read: Hello"}), got)
    status, got = ask("/inference", {"inputs": "Hello?"})
    check("the policy picks a model where none is named", status == 200 and got["model"] in ("model-a", "model-b"), got)
    status, got = ask("/inference", {"model_name": "nobody", "inputs": "Hello"})
    check("an unknown model is told as before", (status, got.get("detail")) == (400, "Unknown model: nobody"), got)
    status, got = ask("/inference", {"model_name": "model-a"})
    check("missing inputs are told as before", (status, got.get("detail")) == (400, "Missing 'inputs' field"), got)
    status, got = ask("/inference", {"model_name": "model-a", "inputs": "Hello"}, with_key=False)
    check("nobody gets in without a key", status == 401, got)

    mail = "ask bob@corp.example, please"
    status, got = ask("/v1/chat/completions", {"model": "model-a", "stream": True, "messages": [{"role": "user", "content": mail}]})
    events = [json.loads(e[6:]) for e in got.split("\n") if e.startswith("data: {")]
    text = "".join(e["choices"][0]["delta"].get("content", "") for e in events)
    sent = [b for p, b in service.asked if p.endswith("/chat/completions")][-1]
    check("a stream comes back with what was redacted restored", text.endswith("read: " + mail), got)
    check("the service never saw the address", "bob@corp.example" not in json.dumps(sent) and "[EMAIL_1]" in json.dumps(sent), sent)

    status, got = ask("/v2/models/model-c/infer", {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [7.4, 0.7]}]})
    check("a predictive model takes tensors", status == 200 and got["outputs"][0]["data"] == [5.5], got)

    rotate("second-token")
    status, got = ask("/inference", {"model_name": "model-a", "inputs": "after the rotation"})
    check("a rotated token is taken up without a failed request", status == 200, got)

    service.down.add("llama")
    status, got = ask("/inference", {"model_name": "model-a", "inputs": "wake up"})
    check("an endpoint that was scaled to zero is warming", (status, got.get("code")) == (503, "model_warming"), got)
    status, got = ask("/inference", {"model_name": "model-a", "inputs": "wake up"})
    check("and answers when it has started", status == 200, got)

    service.token = "revoked"
    status, got = ask("/inference", {"model_name": "model-b", "inputs": "no token"})
    check("a token that is not valid is the gateway's trouble, not the caller's", status == 502 and "html" not in json.dumps(got), got)

    launcher.send_signal(signal.SIGTERM)
    check("SIGTERM ends it with exit code 0", launcher.wait(timeout=30) == 0, launcher.returncode)
    said = "".join(output) + open(os.path.join(home, "audit.jsonl")).read()
    check("no token, key or prompt was logged", not any(w in said for w in ("first-token", "second-token", key, "bob@corp.example")))
finally:
    if launcher.poll() is None:
        launcher.kill()

if failed:
    print("".join(output))
sys.exit(failed > 0)
