"""The real daemon for tests: a folder with a configuration, and processes that run there.

The model is tests/daemon/testdata/cells.onnx, whose scores can be calculated by hand: a grey frame with a bright spot has
the score 0.5 (spot 128), 0.54 (spot 140) or 0.84 (spot 255).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
TESTDATA = ROOT / "tests/daemon/testdata"

# The maximum wait for anything, longer than it takes on a busy machine.
PATIENCE_S = 120.0

# Takes 100 frames a second and skips none.
BELT = """
[cameras.belt]
source = "folder"
path = "pictures"
repeat = true
fps = 100.0
mode = "triggered"
queue = 1024
"""
# Inspects a frame for each request.
STATION = """
[cameras.station]
source = "folder"
path = "pictures"
repeat = true
pace = "fast"
mode = "requested"
queue = 16
"""
REVIEW = "[verdict]\nreview_from = 0.53\n"
JOURNAL = '[journal]\nfolder = "journal"\nstall_timeout_s = 20\n'

T = TypeVar("T")


def inspectd() -> Path:
    """The daemon under test."""
    program = Path(os.environ.get("INSPECTD_BIN", ROOT / "target/debug/inspectd"))
    assert program.exists(), f"{program} does not exist: run cargo build, or set INSPECTD_BIN"
    return program


def spot(level: int) -> Image.Image:
    """A grey picture with a spot in its middle."""
    picture = Image.new("RGB", (64, 64), (128, 128, 128))
    picture.paste((level, level, level), (32, 32, 36, 36))
    return picture


def wait_for(what: str, read: Callable[[], T | None]) -> T:
    """Waits until `read` returns a value."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = read()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"timed out waiting for {what}")


class Site:
    """A folder with a configuration, a bundle and pictures."""

    def __init__(self, folder: Path, *tables: str, heartbeat_interval_s: float = 0.5) -> None:
        self.folder = folder
        graph = (TESTDATA / "cells.onnx").read_bytes()
        (folder / "bundle").mkdir()
        (folder / "bundle/model.onnx").write_bytes(graph)
        manifest = (TESTDATA / "manifest.toml").read_text()
        manifest = manifest.replace("SHA256", hashlib.sha256(graph).hexdigest()).replace("THRESHOLD", "0.6")
        (folder / "bundle/manifest.toml").write_text(manifest)
        (folder / "pictures").mkdir()
        for name, level in (("a.png", 128), ("b.png", 255), ("c.png", 140)):
            spot(level).save(folder / "pictures" / name)
        server = (
            '[server]\nlisten = "127.0.0.1:0"\nmetrics_listen = "off"\n'
            f"heartbeat_interval_s = {heartbeat_interval_s}\n"
        )
        model = '[model]\nbundle = "bundle"\n[log]\nformat = "json"\n'
        (folder / "inspectd.toml").write_text("\n".join((server + model, *tables)))

    def start(self, **settings: str) -> Daemon:
        """Starts the daemon and waits until it is ready. Settings are named as in `SERVER__LISTEN`."""
        environment = {f"INSPECTD__{key}": value for key, value in settings.items()}
        return Daemon([str(inspectd()), "--config", str(self.folder / "inspectd.toml")], self.folder, environment)


class Daemon:
    """A daemon that runs."""

    def __init__(self, command: Iterable[str], folder: Path, environment: dict[str, str]) -> None:
        self._log = folder / f"log-{time.monotonic_ns()}.json"
        # With more threads, those of ONNX Runtime spin between frames.
        settings = {"INSPECTD__LIFE__WATCH_FILES": "false", "INSPECTD__ENGINE__THREADS": "1", **environment}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                list(command), env=os.environ | settings, stderr=log, stdout=subprocess.DEVNULL
            )
        self.messages = wait_for("the daemon", self._ready)
        self.listen = str(self.messages["server.listen"]["address"])
        self.address = f"http://{self.listen}"

    def _ready(self) -> dict[str, dict[str, str]] | None:
        lines = self._log.read_text().splitlines(keepends=True)
        messages = {
            entry["message"]: entry for entry in (json.loads(line) for line in lines if line.endswith("\n"))
        }
        if "ready" in messages:
            return messages
        assert self.process.poll() is None, f"the daemon exited:\n{self._log.read_text()}"
        return None

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kills it."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self) -> None:
        """Ends it in order."""
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0, self._log.read_text()

    def __enter__(self) -> Daemon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()


def openssl(*arguments: str, cwd: Path) -> None:
    """Runs openssl."""
    program = shutil.which("openssl")
    assert program is not None, "the program openssl is not installed: run scripts/setup.sh"
    subprocess.run([program, *arguments], cwd=cwd, check=True, capture_output=True, text=True)
