"""What the Python scripts of this example share: printing checks, and what was seen of each exchange."""

import json
import os
import sys
import time

RUN = os.environ["RUN"]
MODEL_LOG = os.path.join(RUN, "model-server.log")

_failed = 0


def check(by: str, name: str, passed: object, found: object = "") -> None:
    """Prints the result of one check; found is shown where it failed."""
    global _failed
    if passed:
        print(f"ok     {by}: {name}", flush=True)
    else:
        _failed += 1
        print(f"FAILED {by}: {name}: {found!r}", flush=True)


def finish() -> None:
    """Ends the process: exit code 1 if a check failed."""
    sys.exit(1 if _failed else 0)


def seen(request_id: str, usage, cache: str, stream: bool, text: str) -> None:
    """Keeps what a caller saw of an exchange, to be compared with the audit log when all is over."""
    line = {
        "id": request_id, "input": usage.prompt_tokens, "output": usage.completion_tokens, "cache": cache,
        "stream": stream, "text": text,
    }
    with open(os.path.join(RUN, "seen.jsonl"), "a", encoding="utf-8") as f:
        f.write(json.dumps(line) + "\n")


def model_log() -> str:
    """The model server's own log as it stands."""
    with open(MODEL_LOG, encoding="utf-8") as f:
        return f.read()


def cancellations() -> int:
    """How many answers the model server has stopped early."""
    return model_log().count(" cancelled after ")


def soon(condition, seconds: float = 5) -> float | None:
    """Waits until condition() holds and gives the seconds it took, or None if it never did."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if condition():
            return time.monotonic() - start
        time.sleep(0.005)
    return None
