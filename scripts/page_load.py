#!/usr/bin/env python3
"""Measures what open pages cost the line, and whether the memory of the daemon and of the pages grows.

    scripts/page_load.py [--minutes 10] [--rounds 2] [--pages 20] [--fps 0] [--nice 19] [--out target/page-load]

Three simulated cameras are judged by the demo model as fast as possible, or at --fps frames a second each: a line that does
not use the whole machine leaves pages in Chromium the CPU time to show all that they would show elsewhere. Phases alternate:
without pages, with clients that read what pages read (`page_measure/viewers.py`), without pages, with pages in Chromium. The
rate of each phase is compared with the mean of the phases without pages before and after it. Pages and clients run at low
priority (`nice`), because on a small machine they take CPU time from the line that in a plant they do not: the clients show
what the daemon spends on pages, Chromium also what a browser on the same machine takes. CPU times show how much was left.

Every client has an address of its own. In Chromium, four windows each are one site with its own process, connections and
shared worker, as those of one person: the daemon lets an address have 64 connections to the page. The heap is read after a
garbage collection; that of the shared workers is not included. Slopes are those of lines through all samples without the
first half minute of a phase. They have an intercept for each kind of phase (daemon), or for each phase and page (heaps,
nodes). The number after +- is the standard error, which is large for short runs.

Requires the release build and Chromium: cargo build --release, scripts/setup.sh runtime browser. Prints a table, and the
result as JSON in the last line. Files in --out: result.json, samples.jsonl, and the log of the daemon. Exit codes:
0 measured, 1 the daemon, the browser or a client failed, 2 wrong arguments.
"""

import argparse
import contextlib
import json
import select
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

# No cache next to the scripts.
sys.dont_write_bytecode = True

from page_measure.browser import Browser  # noqa: E402
from page_measure.line import ROOT, Line  # noqa: E402
from page_measure.process import cpu_s, machine_cpu_s, resident_mib, tree  # noqa: E402
from page_measure.slope import slope  # noqa: E402
from page_measure.viewers import pages  # noqa: E402

CAMERA = "defect_rate = 0.2\nwidth = 256\nheight = 256\n"
FAST = 'pace = "fast"\nqueue = 1\n'
NONE, CLIENTS, CHROMIUM = "without pages", "clients", "Chromium"
# Shares of a round; the run ends with one more phase without pages.
ROUND = ((NONE, 2), (CLIENTS, 3), (NONE, 2), (CHROMIUM, 8))
# After the start of a phase, before it is measured.
SETTLE_S = 5
# Samples after the start of a phase that slopes leave out: scripts are compiled, and caches are filled.
WARM_UP_S = 30
# In which clients open their pages, at low priority.
OPEN_S = 120
# Pages of clients, each of which has up to four connections. The daemon has 128 to the page, a quarter of them reserved.
MOST_PAGES = 24
# Windows of one site. More sites would need more connections than one address may have.
WINDOWS_OF_SITE = 4
# Verdicts before the first phase: the memory of the evidence is full.
FIRST_VERDICTS = 150
# Pages that are marked as old are not live.
STATE = "return [document.body.hasAttribute('data-stale'), document.visibilityState === 'visible']"
FOLLOW = "const box = document.querySelector('input[role=switch]'); box?.click(); return Boolean(box)"


class Clients:
    """Clients without a browser, in a process of their own."""

    def __init__(self, line, arguments):
        script = ROOT / "scripts/page_measure/viewers.py"
        command = ["nice", "-n", str(arguments.nice), sys.executable, "-B", script, line.address]
        command += ["--pages", str(arguments.pages)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        ready, _, _ = select.select([self._process.stdout], [], [], OPEN_S)
        if not ready or self._process.stdout.readline() != "open\n":
            self.abort()
            raise RuntimeError(f"the clients have not opened their pages after {OPEN_S} s")

    def sample(self):
        return {}

    def abort(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        """Ends them and returns what they have received a second."""
        output, _ = self._process.communicate("")
        if self._process.returncode:
            raise RuntimeError("the clients failed")
        result = json.loads(output)
        rates = {kind: round(count / result["seconds"], 2) for kind, count in sorted(result["counts"].items())}
        return {"received_per_s": rates}


class Chromium:
    """Pages in Chromium, each in a visible window."""

    def __init__(self, line, arguments):
        self._browser = Browser(arguments.out / "profile")
        self.pid = self._browser.pid
        port = line.address.rpartition(":")[2]
        self._windows, self._states = [], []
        try:
            self._open(port, arguments.pages)
            # Opening is not measured.
            self._browser.lower(arguments.nice)
        except BaseException:
            self.abort()
            raise

    def _open(self, port, count):
        for index, path in enumerate(pages(count)):
            window = self._browser.open_window(f"http://127.0.0.{2 + index // WINDOWS_OF_SITE}:{port}{path}")
            self._browser.devtools("Performance.enable")
            if path == "/verdicts":
                self._browser.wait("the switch to follow new verdicts", FOLLOW)
            self._windows.append((window, path))

    def sample(self):
        """Heap after a garbage collection, and DOM nodes, of each page."""
        rows = []
        for window, path in self._windows:
            self._browser.switch_to(window)
            self._states.append(self._browser.run(STATE))
            self._browser.devtools("HeapProfiler.collectGarbage")
            metrics = self._browser.devtools("Performance.getMetrics")["metrics"]
            metrics = {metric["name"]: metric["value"] for metric in metrics}
            rows.append({"page": path, "heap_mib": metrics["JSHeapUsedSize"] / 2**20, "nodes": metrics["Nodes"]})
        return {"pages": rows}

    def abort(self):
        self._browser.stop()

    def stop(self):
        self._browser.stop()
        stale = sum(stale for stale, _ in self._states)
        hidden = sum(not visible for _, visible in self._states)
        return {"page_samples": len(self._states), "stale": stale, "hidden": hidden}


def plan(minutes, rounds):
    """The phases: name and seconds."""
    phases = [*ROUND] * rounds + [ROUND[0]]
    unit = minutes * 60 / sum(share for _, share in phases)
    return [(name, share * unit) for name, share in phases]


def used(line, readers):
    """CPU seconds so far: of the daemon, of the readers, of all processes, and taken by the host; and verdicts."""
    total, stolen = machine_cpu_s()
    return {
        "time": time.monotonic(),
        "verdicts": line.verdicts(),
        "daemon": cpu_s(line.pid),
        "readers": sum(tree(readers.pid).values()) if readers else 0.0,
        "machine": total,
        "stolen": stolen,
    }


def measure(line, name, seconds, samples, arguments):
    """One phase. Appends its samples, and returns its rates."""
    readers = {NONE: lambda *_: None, CLIENTS: Clients, CHROMIUM: Chromium}[name](line, arguments)
    try:
        before = watch(line, name, readers, seconds, samples, arguments)
        after = used(line, readers)
        found = readers.stop() if readers else {}
    except BaseException:
        if readers:
            readers.abort()
        raise
    change = {key: after[key] - before[key] for key in before}
    took, verdicts = change.pop("time"), change.pop("verdicts")
    return {
        "name": name,
        "pages": arguments.pages if readers else 0,
        "seconds": round(took, 1),
        "verdicts": verdicts,
        "verdicts_per_s": round(verdicts / took, 3),
        "daemon_cpu_ms_per_verdict": round(1000 * change["daemon"] / verdicts, 2),
    } | {f"{key}_cores": round(value / took, 3) for key, value in change.items()} | found


def watch(line, name, readers, seconds, samples, arguments):
    """Appends the samples of a phase. Returns what was used before it."""
    time.sleep(SETTLE_S)
    before = used(line, readers)
    end = before["time"] + seconds
    while (now := time.monotonic()) < end:
        row = {"phase": arguments.phase, "name": name, "seconds": now - before["time"], "time": now}
        row["rss_mib"] = resident_mib(line.pid)
        samples.append(row | (readers.sample() if readers else {}))
        time.sleep(max(0, min(end, now + arguments.every) - time.monotonic()))
    return before


def compare(phases):
    """Adds to each phase with pages its ratios to the phases without pages around it."""
    for index, phase in enumerate(phases):
        if phase["name"] != NONE:
            around = [phases[index - 1], phases[index + 1]]
            for key, name in (("verdicts_per_s", "rate_ratio"), ("daemon_cpu_ms_per_verdict", "cpu_ratio")):
                phase[name] = round(phase[key] / statistics.mean(other[key] for other in around), 4)


def median_ratio(phases, name, key):
    return statistics.median(phase[key] for phase in phases if phase["name"] == name)


def slopes(samples):
    """Growth an hour of the daemon's memory by kind of phase, and of heaps and nodes by page."""
    samples = [sample for sample in samples if sample["seconds"] >= WARM_UP_S] or samples
    hour = lambda sample: sample["time"] / 3600
    daemon = slope([(sample["name"], hour(sample), sample["rss_mib"]) for sample in samples])
    rows = {}
    for sample in samples:
        for number, page in enumerate(sample.get("pages", [])):
            group = (sample["phase"], number)
            rows.setdefault(page["page"], []).append((group, hour(sample), page))
    heaps = {
        path: {
            "pages": len({number for (_, number), _, _ in values}),
            "heap_mib": round(statistics.median(page["heap_mib"] for _, _, page in values), 2),
            "heap_mib_per_h": slope([(group, x, page["heap_mib"]) for group, x, page in values]),
            "nodes": statistics.median(page["nodes"] for _, _, page in values),
            "nodes_per_h": slope([(group, x, page["nodes"]) for group, x, page in values]),
        }
        for path, values in rows.items()
    }
    return {"daemon_mib_per_h": daemon, "heaps": heaps}


def table(result):
    """Lines of text."""
    yield f"{'phase':<14} {'s':>6} {'verdicts/s':>10} {'ratio':>7} {'CPU ms each':>11} {'ratio':>7}  cores: daemon, readers, all, stolen"
    for phase in result["phases"]:
        ratios = [f"{phase[key]:.3f}" if key in phase else "" for key in ("rate_ratio", "cpu_ratio")]
        cores = ", ".join(f"{phase[f'{key}_cores']:.2f}" for key in ("daemon", "readers", "machine", "stolen"))
        yield (
            f"{phase['name']:<14} {phase['seconds']:>6.0f} {phase['verdicts_per_s']:>10.2f} {ratios[0]:>7} "
            f"{phase['daemon_cpu_ms_per_verdict']:>11.1f} {ratios[1]:>7}  {cores}"
        )
        for key in ("received_per_s", "stale"):
            if phase.get(key):
                yield f"    {key}: {phase[key]}"
    for name in (CLIENTS, CHROMIUM):
        ratios = result["median_ratio"][name]
        yield f"{name}: rate {ratios['rate']:.3f} of that without pages, CPU time of a verdict {ratios['cpu']:.3f}"
    memory = result["daemon_mib"]
    yield f"daemon: {memory[0]:.1f} MiB, at the end {memory[1]:.1f} MiB, slope {growth(result['daemon_mib_per_h'])} MiB/h"
    yield f"{'page':<24} {'pages':>5} {'heap MiB':>9} {'MiB/h':>16} {'nodes':>7} {'nodes/h':>16}"
    for path, row in result["heaps"].items():
        yield (
            f"{path:<24} {row['pages']:>5} {row['heap_mib']:>9.2f} {growth(row['heap_mib_per_h']):>16} "
            f"{row['nodes']:>7.0f} {growth(row['nodes_per_h']):>16}"
        )


def growth(value):
    return f"{value[0]:+.1f} +- {value[1]:.1f}" if value else "not measured"


def parse():
    parser = argparse.ArgumentParser(description="Measures what open pages cost the line, and whether memory grows.")
    parser.add_argument("--minutes", type=float, default=10, help="duration without opening pages")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--fps", type=float, default=0, help="frames a second of each camera; 0: as fast as possible")
    parser.add_argument("--nice", type=int, default=19, help="niceness of Chromium and of the clients")
    parser.add_argument("--every", type=float, default=10, help="seconds between two samples")
    parser.add_argument("--out", type=Path, default=ROOT / "target/page-load")
    parser.add_argument("--program", type=Path, help="another daemon than the release build")
    arguments = parser.parse_args()
    if min(arguments.minutes, arguments.every) <= 0 or arguments.fps < 0:
        parser.error("--minutes and --every must be above 0, --fps at least 0")
    if arguments.rounds < 1 or not 1 <= arguments.pages <= MOST_PAGES:
        parser.error(f"--rounds must be at least 1, --pages 1 to {MOST_PAGES}")
    arguments.out = arguments.out.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    return arguments


def run(line, arguments):
    """All phases and their samples."""
    line.wait_for_verdicts(FIRST_VERDICTS)
    phases, samples = [], []
    for arguments.phase, (name, seconds) in enumerate(plan(arguments.minutes, arguments.rounds)):
        print(f"page_load: {seconds:.0f} s {name}", file=sys.stderr, flush=True)
        phases.append(measure(line, name, seconds, samples, arguments))
    return phases, samples


def main():
    arguments = parse()
    # Ends the daemon and the browser, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    pace = f"fps = {arguments.fps}\nqueue = 8\n" if arguments.fps else FAST
    line = Line(arguments.out, CAMERA + pace, arguments.program)
    try:
        phases, samples = run(line, arguments)
    finally:
        code = line.stop()
    compare(phases)
    result = {
        "minutes": arguments.minutes,
        "pages": arguments.pages,
        "fps": arguments.fps,
        "nice": arguments.nice,
        "phases": phases,
        "median_ratio": {
            name: {
                "rate": median_ratio(phases, name, "rate_ratio"),
                "cpu": median_ratio(phases, name, "cpu_ratio"),
            }
            for name in (CLIENTS, CHROMIUM)
        },
        "daemon_mib": [samples[0]["rss_mib"], samples[-1]["rss_mib"]],
    } | slopes(samples)
    (arguments.out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    rows = [json.dumps(sample) + "\n" for sample in samples]
    (arguments.out / "samples.jsonl").write_text("".join(rows))
    with contextlib.suppress(BrokenPipeError):
        print("\n".join(table(result)))
        print(json.dumps(result))
    if code:
        print(f"page_load: the daemon exited with {code}", file=sys.stderr)
    return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main())
