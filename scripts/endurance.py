#!/usr/bin/env python3
"""Runs the frames of four hours of four cameras at 10 frames per second through the daemon, as fast as they are rendered
and judged, and checks that no frame is lost and memory does not grow.

    scripts/endurance.py [--frames 576000] [--out target/endurance]

Two cameras are triggered, so that every frame is judged, and two free-running, so that all frames except the latest
are skipped; a client reads all verdicts. Parts are rendered at 32x32 pixels and judged by the model of the daemon's
tests, whose run time is negligible: this stresses the pipeline, not the model. Requires the release build:
cargo build --release.

Files in --out: samples.csv, memory.svg, and the log of the daemon. Exit codes: 0 all frames are accounted for and
memory is flat, 1 otherwise, 2 wrong arguments.
"""

import argparse
import csv
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# No cache next to the scripts.
sys.dont_write_bytecode = True

from page_measure.process import resident_mib  # noqa: E402
from started_daemon import address  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
MODEL = ROOT / "tests/daemon/testdata"
CAMERAS = {"triggered-1": True, "triggered-2": True, "free-1": False, "free-2": False}
SAMPLE_EVERY_S = 2
# Full after about 5,000 verdicts, so that the intended memory is in use early.
EVIDENCE_MIB = 16
# Over the second half of the run, MiB. One byte kept per frame would add half a MiB.
GROWTH_LIMIT_MIB = 4


def write_bundle(folder):
    """The model of the daemon's tests, with a threshold that rejects some parts."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = (MODEL / "cells.onnx").read_bytes()
    manifest = (MODEL / "manifest.toml").read_text()
    manifest = manifest.replace("SHA256", hashlib.sha256(graph).hexdigest()).replace("THRESHOLD", "0.89")
    (folder / "model.onnx").write_bytes(graph)
    (folder / "manifest.toml").write_text(manifest)


def write_config(out, frames):
    text = (
        '[server]\nlisten = "127.0.0.1:0"\nmetrics_listen = "127.0.0.1:0"\n'
        '[model]\nbundle = "bundle"\n[log]\nformat = "json"\n'
        f"[evidence]\nmemory_mib = {EVIDENCE_MIB}\n"
    )
    for seed, (name, triggered) in enumerate(CAMERAS.items(), 1):
        text += (
            f'[cameras.{name}]\nsource = "simulator"\nseed = {seed}\nwidth = 32\nheight = 32\n'
            f'pace = "fast"\nparts = {frames // len(CAMERAS)}\n'
            f'mode = "{"triggered" if triggered else "free-running"}"\n'
        )
    (out / "inspectd.toml").write_text(text)


class Daemon:
    """The process of the daemon, with a client that reads all verdicts."""

    def __init__(self, out):
        library = ROOT / ".tools/onnxruntime/libonnxruntime.so"
        environment = {"ORT_DYLIB_PATH": str(library)} | os.environ
        self._log = out / "inspectd.log"
        command = [BUILT / "inspectd", "--config", out / "inspectd.toml"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, env=environment, stderr=log)
        self._control = [BUILT / "inspectctl", "--server", f"http://{address(self._process, self._log)}"]
        with (out / "watch.txt").open("w") as messages:
            watch = [*self._control, "watch", "--json", "--summary"]
            self._watch = subprocess.Popen(watch, stdout=subprocess.DEVNULL, stderr=messages)

    def status(self):
        answer = subprocess.run([*self._control, "status", "--json"], check=True, capture_output=True)
        return json.loads(answer.stdout)

    def resident_mib(self):
        return resident_mib(self._process.pid)

    def stop(self):
        """Stops the daemon and returns its exit code. The client stops when the daemon does."""
        self._process.terminate()
        code = self._process.wait()
        self._watch.wait()
        return code


def total(status, what):
    return sum(camera["frames"][what] for camera in status["cameras"])


def under_way(status):
    ended = sum(total(status, what) for what in ("judged", "skipped", "faulted"))
    return total(status, "captured") - ended


def follow(daemon, frames, out):
    """Samples until all cameras have ended. Returns the last status and all samples (seconds, frames, MiB)."""
    samples = []
    start = time.monotonic()
    with (out / "samples.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["seconds", "captured", "judged", "skipped", "faulted", "rss_mib"])
        while True:
            status, rss = daemon.status(), daemon.resident_mib()
            seconds = time.monotonic() - start
            counts = [total(status, what) for what in ("captured", "judged", "skipped", "faulted")]
            rows.writerow([round(seconds, 1), *counts, round(rss, 2)])
            file.flush()
            samples.append((seconds, counts[0], rss))
            report(seconds, counts, frames, rss)
            if all(camera["state"] == "ended" for camera in status["cameras"]) and not under_way(status):
                return status, samples
            time.sleep(SAMPLE_EVERY_S)


def report(seconds, counts, frames, rss):
    captured, judged, skipped, _ = counts
    rate = captured / max(seconds, 0.001)
    left = (frames - captured) / rate / 60 if captured else float("inf")
    line = f"{captured:>9} of {frames} frames, {judged} judged, {skipped} skipped"
    print(f"{line}; {rate:.0f} a second, {left:.1f} min left; {rss:.1f} MiB", flush=True)


def faults(status, samples, frames):
    """Yields one sentence per error."""
    for camera in status["cameras"]:
        counts, name = camera["frames"], camera["id"]
        if counts["captured"] != frames // len(CAMERAS) or counts["faulted"]:
            yield f"{name}: {counts}"
        if counts["judged"] + counts["skipped"] + counts["faulted"] != counts["captured"]:
            yield f"{name}: frames were lost: {counts}"
        if CAMERAS[name] and counts["skipped"]:
            yield f"{name}: a triggered camera skipped frames: {counts}"
    if status["sequence"] != total(status, "judged") + total(status, "faulted"):
        yield f"the number of verdicts, {status['sequence']}, differs from the number of judged and faulted frames"
    grown = growth(samples)
    if grown > GROWTH_LIMIT_MIB:
        yield f"memory grew by {grown:.1f} MiB over the second half"


def growth(samples):
    """Difference of the medians of the third and the fourth quarter of the frames, MiB."""
    last = samples[-1][1]
    quarter = lambda low, high: [rss for _, frames, rss in samples if low * last <= frames <= high * last]
    return statistics.median(quarter(0.75, 1)) - statistics.median(quarter(0.5, 0.75) or quarter(0, 1))


def plot(samples, file):
    """Writes a plot of resident memory against frames, as SVG."""
    width, height, left, bottom = 720, 320, 60, 40
    across, up = samples[-1][1] or 1, 1.2 * max(rss for _, _, rss in samples)
    x = lambda frames: left + frames / across * (width - left - 20)
    y = lambda rss: height - bottom - rss / up * (height - bottom - 20)
    points = " ".join(f"{x(frames):.1f},{y(rss):.1f}" for _, frames, rss in samples)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for step in range(5):
        rss, frames = up * step / 4, across * step // 4
        parts.append(f'<path d="M{left} {y(rss):.1f}H{width - 20}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y(rss) + 4:.1f}" text-anchor="end">{rss:.0f}</text>')
        parts.append(f'<text x="{x(frames):.1f}" y="{height - 20}" text-anchor="middle">{frames}</text>')
    parts += [
        f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.5"/>',
        f'<text x="{left}" y="14">resident memory, MiB</text>',
        f'<text x="{width - 20}" y="{height - 4}" text-anchor="end">frames captured</text>',
        "</svg>",
    ]
    file.write_text("\n".join(parts) + "\n")


def parse():
    parser = argparse.ArgumentParser(description="Runs four simulated cameras and checks counts and memory.")
    parser.add_argument("--frames", type=int, default=576_000, help="total of all four cameras")
    parser.add_argument("--out", type=Path, default=ROOT / "target/endurance")
    arguments = parser.parse_args()
    if arguments.frames < len(CAMERAS) or arguments.frames % len(CAMERAS):
        parser.error(f"--frames must be a multiple of {len(CAMERAS)}")
    for program in ("inspectd", "inspectctl"):
        if not (BUILT / program).exists():
            parser.error(f"{BUILT / program} does not exist: cargo build --release builds it")
    return arguments


def main():
    arguments = parse()
    out = arguments.out.resolve()
    write_bundle(out / "bundle")
    write_config(out, arguments.frames)
    daemon = Daemon(out)
    try:
        status, samples = follow(daemon, arguments.frames, out)
    finally:
        code = daemon.stop()
    plot(samples, out / "memory.svg")
    wrong = [*faults(status, samples, arguments.frames)]
    wrong += [f"the daemon exited with {code}"] if code else []
    for sentence in wrong:
        print(f"endurance: {sentence}", file=sys.stderr)
    seconds, frames, rss = samples[-1]
    print(
        f"{frames} frames in {seconds:.0f} s, {status['sequence']} verdicts; {rss:.1f} MiB at the end, "
        f"{growth(samples):+.1f} over the second half; see {out / 'memory.svg'}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
