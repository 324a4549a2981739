"""The curve of the length of the journal."""

import datetime
import json
import shutil
import statistics
import time

from .curve import Curve, Metric
from .programs import Daemon, Failed, fresh, output, small_model
from .stored_journal import CAMERAS, STEP_NS, fill

# Parts of each camera in the journal that is repeated.
PARTS = 250
STARTS, QUICK_STARTS = 3, 1
PAGES, QUICK_PAGES = 5, 1
# Verdicts whose removal is measured; half of a journal that has fewer than twice as many.
REMOVED = 20_000
DAY_NS = 86_400 * 10**9
CHECKED = "the journal was checked: it is intact"
# For the check of the file in the background, seconds.
CHECK_LIMIT_S = 900
REMOVAL_LIMIT_S = 300

# Key, description and arguments of the measured pages. MIDDLE and TIME: sequence and time of the verdict in the middle.
FILTERS = (
    ("page_newest_ms", "newest", []),
    ("page_reject_ms", "REJECT", ["--decision", "reject"]),
    ("page_fault_ms", "FAULT, none stored", ["--decision", "fault"]),
    ("page_camera_ms", "camera b, REJECT or REVIEW", ["--camera", "b", "--decision", "reject", "--decision", "review"]),
    ("page_part_ms", "one part", ["--part", "MIDDLE"]),
    ("page_from_ms", "from the middle on", ["--from", "TIME", "--oldest-first"]),
    ("page_score_ms", "score above all", ["--min-score", "1000"]),
)


# A camera that makes no verdicts: the daemon requires one.
IDLE = '[cameras.idle]\nsource = "simulator"\nwidth = 32\nheight = 32\nfps = 1\nmode = "requested"\n'


def write_config(work, cameras=IDLE, journal=""):
    """The configuration of a daemon with a journal and without evidence files."""
    config = work / "inspectd.toml"
    config.write_text(
        '[server]\nlisten = "127.0.0.1:0"\nmetrics_listen = "off"\n'
        f"[model]\nbundle = {json.dumps(str(small_model(work)))}\n"
        '[engine]\nthreads = 1\n[log]\nformat = "json"\n[evidence]\nmemory_mib = 0\ndisk_mib = 0\n'
        f'[journal]\nfolder = "journal"\n{journal}{cameras}'
    )
    return config


def write_rows(work):
    """A journal with some verdicts of simulated cameras."""
    cameras = "".join(
        f'[cameras.{name}]\nsource = "simulator"\nseed = {seed}\nwidth = 32\nheight = 32\npace = "fast"\n'
        f'parts = {PARTS}\nmode = "triggered"\n'
        for seed, name in enumerate(CAMERAS, 1)
    )
    with Daemon(work, write_config(work, cameras)) as daemon:
        done = lambda: daemon.status()["sequence"] == PARTS * len(CAMERAS)
        daemon.wait_for("the simulated cameras end", done, 120)


def in_process(work, count):
    """Times of opening and of pages without a daemon, by `inspectd bench-journal`, whose other measurements are minimal."""
    arguments = ["--rounds", 1, "--frames", 5, "--verdicts", 1000, "--reading", 0, "--stalled", 0, "--stored", count]
    folder = ["--bundle", small_model(work), "--folder", work / "bench-journal", "--json"]
    report = json.loads(output(work, "inspectd", "bench-journal", *arguments, *folder))
    return {"open_ms": report["open_ms"], "bench_page_ms": max(ms for _, ms in report["pages_ms"]), "raw": report}


def pages(daemon, count, newest_ns, repetitions):
    """Wall-clock times of `inspectctl verdicts`, ms, by key: medians."""
    middle = datetime.datetime.fromtimestamp((newest_ns - count // 2 * STEP_NS) / 1e9, datetime.UTC)
    known = {"MIDDLE": str(count // 2), "TIME": middle.strftime("%Y-%m-%dT%H:%M:%SZ")}
    times = {}
    for key, _, arguments in FILTERS:
        own = []
        for _ in range(repetitions):
            before = time.monotonic()
            daemon.ctl("verdicts", "--json", "--limit", "100", *[known.get(one, one) for one in arguments])
            own.append((time.monotonic() - before) * 1e3)
        times[key] = statistics.median(own)
    return times


def removal(work, count, newest_ns):
    """Starts a daemon that removes the oldest verdicts by their age."""
    removed = min(REMOVED, count // 2)
    age = (time.time_ns() - (newest_ns - (count - removed) * STEP_NS)) / DAY_NS
    with Daemon(work, write_config(work, journal=f"max_age_days = {age:.9f}\n")) as daemon:
        oldest = lambda: daemon.status()["journal"]["oldest_sequence"]
        first = daemon.wait_for("verdicts are removed", lambda: (now := oldest()) > 1 and now, REMOVAL_LIMIT_S)
        begun = time.monotonic()
        last = daemon.wait_for(f"{removed} are removed", lambda: (now := oldest()) > removed and now, REMOVAL_LIMIT_S)
        took = time.monotonic() - begun
        cpu = daemon.thread_cpu_s("journal")
    # More than `removed`: further rows exceed the age in this time.
    return {
        "removal_ms": 1e3 * took / ((last - first) / 1000) if last > first else None,
        "removal_cpu_ms": 1e3 * cpu / ((last - 1) / 1000),
    }


def measure(count, settings):
    work = fresh(settings.work / "journal-curve")
    write_rows(work)
    newest_ns = time.time_ns()
    begun = time.monotonic()
    fill(work / "journal", count, newest_ns)
    costs = {"fill_s": time.monotonic() - begun}
    costs["mib"] = (work / "journal/journal.sqlite").stat().st_size / 2**20
    ready = []
    for _ in range(QUICK_STARTS if settings.quick else STARTS):
        with Daemon(work, write_config(work)) as daemon:
            ready.append(daemon.seconds_to("ready"))
            if (found := daemon.status()["sequence"]) != count:
                raise Failed(f"the daemon found {found} instead of {count} verdicts in its journal")
    costs["ready_s"] = statistics.median(ready)
    with Daemon(work, write_config(work)) as daemon:
        checked = daemon.wait_for("the journal is checked", lambda: daemon.seconds_to(CHECKED), CHECK_LIMIT_S)
        costs["check_s"] = checked
        # The verdicts of the shift are counted in the background as well.
        daemon.wait_for("the shift is counted", lambda: not daemon.status()["shift"]["counting"], CHECK_LIMIT_S)
        costs |= pages(daemon, count, newest_ns, QUICK_PAGES if settings.quick else PAGES)
    costs |= removal(work, count, newest_ns)
    shutil.rmtree(work)
    return costs | in_process(settings.work, count)


JOURNAL = Curve(
    name="journal-length",
    title="Length of the journal",
    axis="stored verdicts",
    values=(10_000, 100_000, 1_000_000),
    full_values=(10_000_000,),
    metrics=(
        Metric("ready_s", "until it is ready", "s", "start of the daemon"),
        Metric("check_s", "until the file is checked, in the background", "s", "start of the daemon"),
        *(Metric(key, name, "ms", "inspectctl verdicts, page of 100") for key, name, _ in FILTERS),
        Metric("open_ms", "opening the file", "ms", "without a daemon"),
        Metric("bench_page_ms", "slowest page of 100", "ms", "without a daemon"),
        Metric("removal_ms", "time, at least 100 by their interval", "ms", "removal of 1000 old verdicts", each=True),
        Metric("removal_cpu_ms", "CPU time of the journal's thread", "ms", "removal of 1000 old verdicts", each=True),
        Metric("mib", "size of the file", "MiB", "disk"),
    ),
    measure=measure,
    seconds=lambda value, settings: (6 if settings.quick else 10) + value / 40_000,
)
