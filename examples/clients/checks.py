"""What the Python scripts share: the gateway's address and key, the request, and counting checks.

The models are those of sluice.yaml. MAIL is what redaction keeps from the model server; the caller reads it in the answer,
which repeats the request. In a tool's arguments a policy has to allow that, and this one does not.
"""

import os
import sys
import time

URL, KEY = os.environ["SLUICE_URL"], os.environ["SLUICE_KEY"]
MAIL = "ana@example.com"
ASK = f"Write to {MAIL}."
ANSWER = "You said: " + ASK
ARGUMENTS = {"city": "Graz", "note": "Write to [EMAIL_1]."}
VECTOR = [0.25, -0.5, 1.0]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "note": {"type": "string"}}, "required": ["city"]}
CODES = {"limited": (429, "rate_limited"), "broken": (502, "upstream_error"), "busy": (502, "upstream_error"),
         "paused": (503, "no_endpoint"), "denied": (403, "denied_by_policy")}

_failed = 0


def check(name, got, want):
    """Prints the result of one check: got must be want."""
    global _failed
    if got == want:
        print(f"ok     {name}", flush=True)
    else:
        _failed += 1
        print(f"FAILED {name}: {got!r}, want {want!r}", flush=True)


def fails(name, kind, status, code, call, read):
    """call must raise an error of kind; read gives the (status, code) that it carries."""
    try:
        call()
    except Exception as err:  # whatever a client raises is the finding
        check(name, read(err) if isinstance(err, kind) else repr(err), (status, code))
        return
    check(name, "no error", kind.__name__)


class Watch:
    """Tells whether what took place inside took less than 20 s of the minute that the slow stream goes on."""

    def __enter__(self):
        self.begun = time.monotonic()
        return self

    def __exit__(self, *_):
        self.short = time.monotonic() - self.begun < 20


def finish():
    """Ends the process: exit code 1 if a check failed."""
    sys.exit(1 if _failed else 0)
