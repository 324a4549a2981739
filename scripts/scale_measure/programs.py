"""The programs that are measured."""

import contextlib
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from endurance import write_bundle
from started_daemon import address

ROOT = Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
GROUP_END_S = 2
# Lines of the error output of a program that failed.
SHOWN_LINES = 15


class Failed(Exception):
    """A program failed, or did not do what is measured."""


def environment(work):
    """The locations of the libraries. Temporary files are in the work folder, which is removed at the end."""
    given = dict(os.environ)
    given.setdefault("ORT_DYLIB_PATH", str(ROOT / ".tools/onnxruntime/libonnxruntime.so"))
    torch = str(ROOT / ".tools/libtorch/lib")
    given["LD_LIBRARY_PATH"] = ":".join(filter(None, [torch, given.get("LD_LIBRARY_PATH")]))
    given["TMPDIR"] = str(work)
    return given


def fresh(folder):
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def small_model(work, rejects=True):
    """The model of the daemon's tests, whose run time is negligible. Without rejects, no part is near the threshold: of few
    verdicts evidence is kept."""
    folder = work / ("cells" if rejects else "cells-pass")
    write_bundle(folder)
    if not rejects:
        manifest = folder / "manifest.toml"
        manifest.write_text(manifest.read_text().replace("value = 0.89", "value = 10.0"))
    return folder


@contextlib.contextmanager
def started(work, command, **streams):
    """Runs a program in its own process group, which is ended with it if the measurement is interrupted."""
    command = [str(part) for part in command]
    process = subprocess.Popen(command, env=environment(work), start_new_session=True, **streams)
    try:
        yield process
    finally:
        if process.returncode is None:
            end_group(process)


def end_group(process):
    """Ends a process and those that it has started. Their output is not used."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        end = time.monotonic() + GROUP_END_S
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(0.02)


def output(work, program, *arguments):
    """Runs a program to its end, and returns its standard output."""
    errors = work / "errors.txt"
    command = [BUILT / program, *arguments]
    with errors.open("w") as file, started(work, command, stdout=subprocess.PIPE, stderr=file, text=True) as process:
        text, _ = process.communicate()
    check(process, command, errors.read_text())
    return text


def check(process, command, errors):
    if process.returncode:
        last = "\n".join(errors.splitlines()[-SHOWN_LINES:])
        raise Failed(f"{' '.join(map(str, command))}: exit code {process.returncode}\n{last}")


class Daemon:
    """A daemon that is ready. To be used in a `with` statement, which stops it."""

    def __init__(self, work, config):
        self._work, self._log = work, work / "inspectd.log"
        with self._log.open("w") as log:
            self._begun = time.time()
            command = [BUILT / "inspectd", "--config", config]
            self._running = started(work, command, stdout=subprocess.DEVNULL, stderr=log)
            self._process = self._running.__enter__()
        try:
            self._server = f"http://{address(self._process, self._log)}"
        except BaseException:
            self._running.__exit__(*sys.exc_info())
            raise
        self.pid = self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            if not any(error):
                self._process.terminate()
                if code := self._process.wait():
                    raise Failed(f"the daemon exited with {code}:\n{self._log.read_text()}")
        finally:
            self._running.__exit__(*error)

    def _entries(self):
        lines = self._log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def seconds_to(self, message):
        """Seconds from the start of the process to this message of its log; None if there is none yet."""
        for entry in self._entries():
            if entry.get("message") == message:
                return datetime.datetime.fromisoformat(entry["timestamp"]).timestamp() - self._begun
        return None

    def wait_for(self, what, found, limit_s):
        """Waits until `found` returns a value other than None and False, and returns it."""
        end = time.monotonic() + limit_s
        while (value := found()) is None or value is False:
            if time.monotonic() > end or self._process.poll() is not None:
                raise Failed(f"{what}: not after {limit_s:.0f} s:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.05)
        return value

    def ctl(self, *arguments):
        return output(self._work, "inspectctl", "--server", self._server, *arguments)

    def status(self):
        return json.loads(self.ctl("status", "--json"))

    def thread_cpu_s(self, name):
        """CPU time of the threads of this name, seconds, finer than the clock ticks of /proc/PID/stat."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if (task / "comm").read_text().strip() == name:
                    total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9
