#!/usr/bin/env python3
"""Measures how fast a sink of inspectd-forward catches up, with the daemon and the receiver on the same machine.

    scripts/forward_catch_up.py [--verdicts 100000] [--out target/forward] [SINK ...]

SINK is files, mqtt or postgresql; without one, all are measured. The journal of a real daemon is filled with its own verdicts,
repeated; then the forwarder starts, and the time until its consumer has acknowledged the last one is measured. The table has
verdicts per second, and the CPU time of forwarder and daemon per 1,000 verdicts. Requires the release build, mosquitto and PostgreSQL:

    scripts/setup.sh
    cargo build --release -p inspectd -p inspectd-client -p inspectd-forward

Exit codes: 0 measured, 1 a program failed, 2 wrong arguments.
"""

import argparse
import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

# No cache next to the scripts.
sys.dont_write_bytecode = True

from scale_measure.journal import write_config, write_rows  # noqa: E402
from scale_measure.programs import BUILT, ROOT, Daemon, Failed, fresh, started  # noqa: E402
from scale_measure.stored_journal import fill  # noqa: E402

SINKS = ("files", "mqtt", "postgresql")
LIMIT_S = 600
POLL_S = 0.25
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(port, process):
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Failed(f"no program listens on port {port}")


def as_user(name, folder):
    """Options of Popen with which a program runs as another user, who owns the folder; none unless this is root."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam(name)
    folder.chmod(0o700)
    os.chown(folder, user.pw_uid, user.pw_gid)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def server(command, port, **options):
    """A receiver. It is terminated at the end."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    process = subprocess.Popen([str(part) for part in command], **quiet, **options)
    try:
        wait_for_port(port, process)
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def receiver(sink, work):
    """Starts the receiver of a sink, and yields the keys of the sink."""
    folder = fresh(work / sink)
    port = free_port()
    if sink == "files":
        yield f"folder = {json.dumps(str(folder))}\n"
    elif sink == "mqtt":
        config = folder / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        with server(["mosquitto", "-c", config], port, **as_user("mosquitto", folder)):
            yield f'server = "mqtt://127.0.0.1:{port}"\n'
    else:
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        user = as_user("postgres", folder)
        initdb = [programs / "initdb", "--auth=trust", "--username=postgres", "--pgdata", folder]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
        command = [programs / "postgres", "-D", folder, "-k", folder, "-p", port, "-c", "listen_addresses=127.0.0.1"]
        with server(command, port, **user):
            time.sleep(1)
            yield f'server = "postgresql://postgres@127.0.0.1:{port}/postgres"\n'


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(sink, work, verdicts):
    """Seconds until all verdicts are acknowledged, CPU times of forwarder and daemon, and the forwarder's peak of memory."""
    with Daemon(work, write_config(work)) as daemon, receiver(sink, work) as keys:
        config = work / "forward.toml"
        consumer = f"bench-{sink}"
        config.write_text(
            f'box = "box"\nstate_folder = {json.dumps(str(fresh(work / "state")))}\n'
            f'[daemon]\nserver = "{daemon._server}"\n[status]\nlisten = "off"\n'
            f'[sinks.{sink}]\ntype = "{sink}"\nconsumer = "{consumer}"\nbatch_limit = 1000\n{keys}'
        )
        before = cpu_s(daemon.pid)
        begun = time.monotonic()
        log = (work / "forward.log").open("w")
        with log, started(work, [BUILT / "inspectd-forward", "--config", config], stderr=log) as forward:
            def position():
                # The request must not affect the measurement.
                time.sleep(POLL_S)
                lines = map(json.loads, daemon.ctl("consumers", "--json").splitlines())
                return {one["name"]: one["acknowledged"] for one in lines}.get(consumer, 0)

            try:
                daemon.wait_for("all verdicts are acknowledged", lambda: position() >= verdicts, LIMIT_S)
            except Failed as failed:
                raise Failed(f"{failed}\n{(work / 'forward.log').read_text()[-4000:]}") from None
            seconds = time.monotonic() - begun
            result = seconds, cpu_s(forward.pid), cpu_s(daemon.pid) - before, peak_mib(forward.pid)
            forward.terminate()
            forward.wait()
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sinks", metavar="SINK", nargs="*", help="files, mqtt or postgresql")
    parser.add_argument("--verdicts", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=ROOT / "target/forward")
    arguments = parser.parse_args()
    if unknown := [sink for sink in arguments.sinks if sink not in SINKS]:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(SINKS)}")
    work = fresh(arguments.out.resolve())
    try:
        write_rows(work)
        fill(work / "journal", arguments.verdicts, time.time_ns())
        print("| sink | verdicts/s | forwarder, CPU ms per 1,000 | daemon, CPU ms per 1,000 | forwarder, peak MiB |\n|---|---|---|---|---|")
        for sink in arguments.sinks or SINKS:
            seconds, own, daemons, peak = measure(sink, work, arguments.verdicts)
            thousands = arguments.verdicts / 1000
            print(
                f"| {sink} | {arguments.verdicts / seconds:,.0f} | {own * 1e3 / thousands:.1f} "
                f"| {daemons * 1e3 / thousands:.1f} | {peak:.0f} |",
                flush=True,
            )
    except Failed as failed:
        sys.exit(f"forward_catch_up: {failed}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
