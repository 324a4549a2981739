"""The curve of the number of photographs that a bundle is fitted to."""

import os
import re
import shutil
import struct
import subprocess
import time
import zlib

from .curve import Curve, Metric
from .programs import BUILT, check, fresh, output, started

# Different pictures, which are repeated.
RENDERED = 100
SIZE = 64
# First lines of the progress of a fit: they end the stage before.
STAGES = (("photographs:", "check_s"), ("features:", "load_s"), ("fit:", "features_s"))
END_OF_PNG = 12


def numbered(picture, number):
    """A PNG file with a comment: each copy has its own content, because `mhkd fit` uses equal files once."""
    chunk = b"tEXtComment\0%08d" % number
    comment = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return picture[:-END_OF_PNG] + comment + picture[-END_OF_PNG:]


def write_photographs(work, count):
    """A folder of this many photographs."""
    size = ["--width", SIZE, "--height", SIZE]
    parts = ["--train", RENDERED, "--validation", 1, "--good-test", 1, "--per-defect", 1]
    output(work, "mhkd", "synth", work / "rendered", *size, *parts)
    pictures = [file.read_bytes() for file in sorted((work / "rendered").glob("*/train/good/*.png"))]
    folder = fresh(work / "photographs")
    for number in range(count):
        (folder / f"{number:06}.png").write_bytes(numbered(pictures[number % len(pictures)], number))
    return folder


def fit(work, photographs):
    """Runs `mhkd fit`: time by stage, CPU time and peak memory."""
    command = [BUILT / "mhkd", "fit", "--method", "padim", "--size", f"{SIZE}x{SIZE}", "--precision", "f32"]
    command += ["--out", work / "bundle", photographs]
    costs, lines, waiting = {}, [], list(STAGES)
    begun = before = time.monotonic()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with started(work, command, **streams) as process:
        for line in process.stdout:
            lines.append(line)
            if waiting and line.startswith(waiting[0][0]):
                now = time.monotonic()
                costs[waiting.pop(0)[1]] = now - before
                before = now
        # With what the process has used.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        now = time.monotonic()
    text = "".join(lines)
    check(process, command, text)
    used = re.search(r": (\d+) photographs, \d+x\d+ pixels", text)
    return costs | {
        "rest_s": now - before,
        "total_s": now - begun,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
        "used": int(used[1]) if used else None,
        "raw": text,
    }


def measure(count, settings):
    work = fresh(settings.work / "dataset-curve")
    costs = fit(work, write_photographs(work, count))
    shutil.rmtree(work)
    return costs


DATASET = Curve(
    name="dataset-size",
    title=f"Photographs of mhkd fit --method padim --size {SIZE}x{SIZE}",
    axis="photographs in the folder",
    values=(100, 1000, 10_000),
    full_values=(100_000,),
    metrics=(
        Metric("total_s", "whole fit", "s", "time"),
        Metric("check_s", "listing and checking", "s", "time"),
        Metric("load_s", "decoding", "s", "time"),
        Metric("features_s", "features", "s", "time"),
        Metric("rest_s", "fitting, calibration and bundle", "s", "time"),
        Metric("cpu_s", "whole fit", "s", "CPU time"),
        Metric("peak_mib", "whole fit", "MiB", "peak memory"),
        Metric("used", "used for features", "photographs", "photographs", fact=True),
    ),
    measure=measure,
    # More are not used for features.
    seconds=lambda value, settings: 8 + min(value, 12_500) / 190 + value / 2500,
)
