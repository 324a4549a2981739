#!/usr/bin/env python3
"""Measures how costs of the daemon and the trainer grow.

    scripts/scale.py [--out target/scale] [--quick] [--full] [--again] [CURVE ...]

Without a CURVE, all are measured:

  cameras          1 to 16 cameras with the same number of frames per second in total: CPU time of the daemon per verdict,
                   memory, latency (`inspectd bench-streams`, model of the daemon's tests, 32x32 pixels)
  subscribers      1 to 200 clients that read all verdicts: CPU time of the daemon per second and per delivery, latency,
                   lost deliveries (the same program, which runs the clients on the same machine)
  image-size       320x256 to 2560x2048 pixels: latency without inference, demo model (`inspectd bench`)
  journal-length   10,000 to 1,000,000 verdicts, with --full 10,000,000: start of the daemon, `inspectctl verdicts` with
                   several filters, removal of old verdicts, size on disk; and opening and reading without a daemon
                   (`inspectd bench-journal`). The verdicts are those of a real daemon, repeated
  dataset-size     100 to 10,000 photographs, with --full 100,000: time by stage and peak memory of `mhkd fit`

The first three are measured in three rounds, in which the order of the values alternates. The machine should have no
other load. Requires the release build and the libraries:

    scripts/setup.sh
    cargo build --release --workspace

All curves take about 20 minutes and 4 GiB of memory; --full takes 10 minutes more, 5 GiB, and 4 GB of the disk of --out, which is
freed at the end.

Files in --out: CURVE.json, CURVE.svg, and summary.md. A curve is written when it is finished, and is not measured again
unless --again is given. Ctrl-C keeps the finished curves. --quick measures only the two smallest values of each curve,
for a short time, to test this script. Exit codes: 0 measured, 1 a program failed, 2 wrong arguments, 130 Ctrl-C.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

# No cache next to the scripts.
sys.dont_write_bytecode = True

from scale_measure.curve import is_finished, read, result, write  # noqa: E402
from scale_measure.dataset import DATASET  # noqa: E402
from scale_measure.figure import figure  # noqa: E402
from scale_measure.journal import JOURNAL  # noqa: E402
from scale_measure.line import CAMERAS, IMAGE_SIZE, SUBSCRIBERS  # noqa: E402
from scale_measure.programs import BUILT, ROOT, Failed  # noqa: E402
from scale_measure.summary import summary  # noqa: E402

CURVES = {curve.name: curve for curve in (CAMERAS, SUBSCRIBERS, IMAGE_SIZE, JOURNAL, DATASET)}
PROGRAMS = ("inspectd", "inspectctl", "mhkd")


class Progress:
    """The measurements of a run, and when it will end."""

    def __init__(self, curves, settings):
        self._settings = settings
        self._left = sum(curve.seconds(value, settings) for curve in curves for _, value in turns(curve, settings))
        self._estimated = self._took = 0

    def done(self, curve, turn, seconds):
        """Prints a line about a measurement that took `seconds`."""
        number, value = turn
        estimate = curve.seconds(value, self._settings)
        self._left -= estimate
        self._estimated += estimate
        self._took += seconds
        left = self._left * self._took / self._estimated
        of = f", round {number} of {rounds}" if (rounds := curve.chosen_rounds(self._settings)) > 1 else ""
        end = f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left"
        print(f"scale: {curve.name} {curve.label(value)}{of}: {seconds:.0f} s; about {end}", flush=True)


def turns(curve, settings):
    """Round and value of each measurement. Every second round is backwards."""
    values = curve.chosen(settings)
    for number in range(1, curve.chosen_rounds(settings) + 1):
        yield from ((number, value) for value in (values if number % 2 else reversed(values)))


def measure(curve, settings, progress):
    """The result of a curve."""
    measurements = []
    for turn in turns(curve, settings):
        number, value = turn
        load = os.getloadavg()[0]
        begun = time.monotonic()
        costs = curve.measure(value, settings)
        seconds = time.monotonic() - begun
        measurements.append({"value": value, "round": number, "load": load, "seconds": seconds, "costs": costs})
        progress.done(curve, turn, seconds)
    return result(curve, settings, measurements)


def store(found, out):
    """Writes the files of a curve, and the table of all."""
    name = found["curve"]
    write(out / f"{name}.json", json.dumps(found, indent=1) + "\n")
    write(out / f"{name}.svg", figure(found))
    results = filter(None, (read(out / f"{name}.json") for name in CURVES))
    write(out / "summary.md", summary(results))


def measure_all(curves, settings):
    progress = Progress(curves, settings)
    for curve in curves:
        store(measure(curve, settings, progress), settings.out)


def parse():
    parser = argparse.ArgumentParser(description="Measures how costs of the daemon and the trainer grow.")
    parser.add_argument("curves", nargs="*", metavar="CURVE", help=f"{', '.join(CURVES)}; all if none is given")
    parser.add_argument("--out", type=Path, default=ROOT / "target/scale")
    parser.add_argument("--quick", action="store_true", help="the two smallest values of each curve, for a short time, as a test")
    parser.add_argument("--full", action="store_true", help="also 10,000,000 verdicts and 100,000 photographs")
    parser.add_argument("--again", action="store_true", help="also the curves that are finished")
    settings = parser.parse_args()
    if unknown := set(settings.curves) - set(CURVES):
        parser.error(f"no curve: {', '.join(sorted(unknown))}; curves: {', '.join(CURVES)}")
    if settings.quick and settings.full:
        parser.error("--quick and --full exclude each other")
    for program in PROGRAMS:
        if not (BUILT / program).exists():
            parser.error(f"{program} does not exist: cargo build --release --workspace builds it")
    settings.out = settings.out.resolve()
    settings.work = settings.out / "work"
    return settings


def main():
    settings = parse()
    # Ends the programs, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    curves = [CURVES[name] for name in dict.fromkeys(settings.curves or CURVES)]
    stored = {curve.name: read(settings.out / f"{curve.name}.json") for curve in curves}
    finished = [curve for curve in curves if not settings.again and is_finished(stored[curve.name], curve, settings)]
    for curve in finished:
        print(f"scale: {curve.name} is finished; --again measures it again")
        store(stored[curve.name], settings.out)
    shutil.rmtree(settings.work, ignore_errors=True)
    settings.work.mkdir(parents=True)
    try:
        measure_all([curve for curve in curves if curve not in finished], settings)
    except Failed as error:
        print(f"scale: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"scale: interrupted; finished curves are in {settings.out}", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(settings.work, ignore_errors=True)
    print(f"scale: see {settings.out / 'summary.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
