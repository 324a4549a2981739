#!/usr/bin/env python3
"""Measures the time from opening the overview to the first picture of a part on a slow connection, and the bytes that
pass until then and in ten seconds.

    scripts/page_speed.py [--runs 5] [--out target/page-speed]

A line with three simulated cameras of 1280x1024 pixels is judged by the demo model. Each run starts Chromium with an empty
profile: nothing is cached, and no connection is open. The time is that of the page, from the begin of the navigation to
the frame after the one in which a tile has a decoded picture. Connections are slowed down in two ways:

  emulated   by the developer tools of Chromium. It delays each request, but not the handshake of TCP, and not the
             requests of the shared worker, which receives the live data
  link       by a proxy that delays all connections with their handshakes, and that all of them share

Requires the release build and Chromium: cargo build --release, scripts/setup.sh runtime browser. Prints a table of medians
with the lowest and the highest value, and the result as JSON in the last line. Files in --out: result.json, and the log of
the daemon. Exit codes: 0 measured, 1 the daemon or the browser failed, 2 wrong arguments.
"""

import argparse
import json
import signal
import statistics
import sys
import time
from pathlib import Path

# No cache next to the scripts.
sys.dont_write_bytecode = True

from page_measure.browser import Browser  # noqa: E402
from page_measure.line import ROOT, Line  # noqa: E402
from page_measure.link import Link  # noqa: E402

CAMERA = "defect_rate = 0.2\nwidth = 1280\nheight = 1024\nfps = 1.5\nqueue = 8\n"
# Name, Mbit/s down and up, round trip in ms. "Fast 3G" is a profile of Chromium's developer tools.
CONNECTIONS = (("Fast 3G", 1.6, 0.75, 150), ("10 Mbit/s, 40 ms", 10.0, 10.0, 40))
# Without a limit, for comparison.
FREE = ("not limited", 10_000.0, 10_000.0, 0)
WAYS = ("emulated", "link")
# After the browser has started, and after the page was opened.
QUIET_S = 3
TOTAL_S = 10
# Runs in each new document, before its scripts.
WATCH = """(() => {
  const isDrawn = (image) => image.complete && image.naturalWidth > 0;
  const look = () => {
    if ([...document.querySelectorAll('article[aria-label^="Camera"] img')].some(isDrawn)) {
      requestAnimationFrame(() => { window.firstPictureMs = performance.now(); });
    } else {
      requestAnimationFrame(look);
    }
  };
  requestAnimationFrame(look);
})();"""
RESULT = """const paint = performance.getEntriesByName('first-contentful-paint')[0];
return { origin: performance.timeOrigin / 1000, picture_s: window.firstPictureMs / 1000,
         paint_s: paint ? paint.startTime / 1000 : null, requests: performance.getEntriesByType('resource').length + 1 };"""


def run(line, way, connection, profile):
    """Opens the overview once. Returns the times in seconds, requests and bytes."""
    _, down, up, round_trip_ms = connection
    through = connection if way == "link" else FREE
    link = Link(line.address, *through[1:])
    browser = Browser(profile)
    try:
        time.sleep(QUIET_S)
        if way == "emulated":
            conditions = {
                "offline": False,
                "latency": round_trip_ms,
                "download_throughput": down * 125_000,
                "upload_throughput": up * 125_000,
            }
            browser.command("POST", "/chromium/network_conditions", network_conditions=conditions)
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        browser.open(f"http://{link.address}/")
        browser.wait("the first picture", "return Number.isFinite(window.firstPictureMs)")
        found = browser.run(RESULT)
        origin = found.pop("origin")
        time.sleep(max(0, origin + TOTAL_S - time.time()))
        found["kb_until_picture"] = link.received(origin + found["picture_s"]) / 1000
        found["kb_in_ten_seconds"] = link.received(origin + TOTAL_S) / 1000
        return found
    finally:
        browser.stop()
        link.close()


def summary(runs):
    """Median, lowest and highest value of each number."""
    return {
        key: [round(figure([run[key] for run in runs if run[key] is not None]), 3) for figure in (statistics.median, min, max)]
        for key in runs[0]
    }


def table(rows):
    """Lines of text."""
    yield f"{'connection':<28} {'first text, s':>20} {'first picture, s':>20} {'KB until then':>14} {'KB in 10 s':>11} {'requests':>9}"
    for row in rows:
        times = ["{:.2f} ({:.2f} to {:.2f})".format(*row[key]) for key in ("paint_s", "picture_s")]
        sizes = [row[key][0] for key in ("kb_until_picture", "kb_in_ten_seconds", "requests")]
        name = f"{row['connection']}, {row['way']}"
        yield f"{name:<28} {times[0]:>20} {times[1]:>20} {sizes[0]:>14.0f} {sizes[1]:>11.0f} {sizes[2]:>9.0f}"


def parse():
    parser = argparse.ArgumentParser(description="Measures the time to the first picture on a slow connection.")
    parser.add_argument("--runs", type=int, default=5, help="runs of each connection")
    parser.add_argument("--out", type=Path, default=ROOT / "target/page-speed")
    parser.add_argument("--program", type=Path, help="another daemon than the release build")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    arguments.out = arguments.out.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    return arguments


def main():
    arguments = parse()
    # Ends the daemon and the browser, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    cases = [("link", FREE)] + [(way, connection) for connection in CONNECTIONS for way in WAYS]
    runs = [[] for _ in cases]
    line = Line(arguments.out, CAMERA, arguments.program)
    try:
        line.wait_for_verdicts(30)
        # In turns, so that other load on the machine affects all.
        for number in range(arguments.runs):
            for found, (way, connection) in zip(runs, cases, strict=True):
                print(f"page_speed: run {number + 1}, {connection[0]}, {way}", file=sys.stderr, flush=True)
                found.append(run(line, way, connection, arguments.out / "profile"))
    finally:
        code = line.stop()
    rows = [
        {"connection": connection[0], "way": way} | summary(found)
        for found, (way, connection) in zip(runs, cases, strict=True)
    ]
    result = {"runs": arguments.runs, "rows": rows}
    (arguments.out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    print("\n".join(table(rows)))
    print(json.dumps(result))
    return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main())
