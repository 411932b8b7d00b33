"""Starts Sluice as a Cloudera AI application and stays until it ends.

The platform runs this file in a kernel, where __file__ is not defined and a script that returns stops the application. The
binary and its configuration lie in the project's folder, or where SLUICE_HOME says.
"""

import os
import signal
import subprocess
import sys

home = os.environ.get("SLUICE_HOME", os.getcwd())
sluice = subprocess.Popen(
    [os.path.join(home, "sluice"), "serve", "--config", os.path.join(home, "sluice.yaml")],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    bufsize=1,
)

# The platform stops an application with SIGTERM: Sluice then lets running requests finish. A second signal ends it at once.
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: sluice.send_signal(number))

for line in sluice.stdout:  # the kernel's output is not this process's standard output
    print(line, end="", flush=True)
code = sluice.wait()
print(f"sluice ended with exit code {code}", flush=True)
sys.exit(code)
