"""Waits for a daemon that was started by a script."""

import json
import sys
import time


def address(process, log, key="server.listen", limit_s=60):
    """Waits until the daemon is ready, and returns where `key` listens. `log` is its log in JSON."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end and process.poll() is None:
        lines = log.read_text().splitlines(keepends=True)
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        messages = {entry.get("message"): entry for entry in entries}
        if "ready" in messages:
            return messages[key]["address"]
        time.sleep(0.1)
    sys.exit(f"the daemon is not ready:\n{log.read_text()}")
