"""A daemon with the page and a simulated line of the demo model."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from started_daemon import address

ROOT = Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
CAMERAS = ("left", "right", "top")
READY_S = 120
JUDGED_S = 600


def configuration(camera):
    """The configuration. `camera` has the keys that all cameras share. The evidence is full after some seconds."""
    text = (
        '[server]\nlisten = "127.0.0.1:0"\nmetrics_listen = "off"\npage_listen = "127.0.0.1:0"\n'
        f'[model]\nbundle = {json.dumps(str(ROOT / "models/demo"))}\n[log]\nformat = "json"\n'
        '[journal]\nfolder = "journal"\n[evidence]\nmemory_mib = 16\ndisk_mib = 64\n'
    )
    for seed, name in enumerate(CAMERAS, 1):
        text += f'[cameras.{name}]\nsource = "simulator"\nseed = {seed}\nmode = "triggered"\n{camera}'
    return text


class Line:
    """The daemon. It runs until `stop`."""

    def __init__(self, out, camera, program=None):
        program = program or BUILT / "inspectd"
        if not program.exists():
            sys.exit(f"{program} does not exist: cargo build --release builds it")
        shutil.rmtree(out / "journal", ignore_errors=True)
        config = out / "inspectd.toml"
        config.write_text(configuration(camera))
        environment = {"ORT_DYLIB_PATH": str(ROOT / ".tools/onnxruntime/libonnxruntime.so")} | os.environ
        self._log = out / "inspectd.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen([program, "--config", config], env=environment, stderr=log)
        self.pid = self._process.pid
        self.address = address(self._process, self._log, "server.page_listen", READY_S)

    def call(self, service, method, **request):
        """Makes a call by the page's interface for programs."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        headers = {"content-type": "application/json"}
        connection.request("POST", f"/api/{service}/{method}", json.dumps(request), headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            sys.exit(f"{service}/{method}: {answer.status} {body.decode()}")
        return json.loads(body)

    def verdicts(self):
        """The number of verdicts so far, by the status."""
        return self.call("LineService", "GetStatus")["status"]["sequence"]

    def wait_for_verdicts(self, count):
        end = time.monotonic() + JUDGED_S
        while self.verdicts() < count:
            if time.monotonic() > end:
                sys.exit(f"the daemon has not judged {count} frames after {JUDGED_S} s")
            time.sleep(0.2)

    def stop(self):
        """Stops the daemon and returns its exit code."""
        self._process.terminate()
        return self._process.wait()
