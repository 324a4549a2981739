#!/usr/bin/env python3
"""Measures a fleet on one machine: many boxes forward their journals into a NATS cluster of three servers.

    scripts/fleet_load.py [--boxes 200] [--verdicts 500] [--kill] [--out target/fleet]

A box is a process of inspectd-forward with its own name. All boxes read the journal of one daemon, which holds the verdicts of its
cameras, repeated: each box forwards all of them, so that the stream gets BOXES x VERDICTS messages with different
ids. The stream is replicated on all three servers. With --kill one server is killed after a third of the messages, and started
again after two thirds.

The table has the messages per second, the bytes of a message and of the stream on the disk of each server, the CPU time per 1,000
messages of the servers and of the boxes, and the memory of a box and of a server. The run fails unless the stream has each id once.
Requires the release build and nats-server:

    scripts/setup.sh
    cargo build --release -p inspectd -p inspectd-client -p inspectd-forward

Exit codes: 0 measured, 1 a program failed or a message is missing or twice, 2 wrong arguments.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

# No cache next to the scripts.
sys.dont_write_bytecode = True

from forward_catch_up import cpu_s, free_port, peak_mib, wait_for_port  # noqa: E402
from scale_measure.journal import write_config, write_rows  # noqa: E402
from scale_measure.programs import BUILT, ROOT, Daemon, Failed, fresh, started  # noqa: E402
from scale_measure.stored_journal import fill  # noqa: E402

SERVERS = 3
STREAM = "FLEET"
LIMIT_S = 1800
POLL_S = 1.0


class Cluster:
    """The servers. To be used in a `with` statement, which ends them."""

    def __init__(self, work):
        self.ports, self.monitors, routes = ([free_port() for _ in range(SERVERS)] for _ in range(3))
        self.folders, self.configs, self.processes, self.cpu = [], [], [None] * SERVERS, [0.0] * SERVERS
        others = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
        for place in range(SERVERS):
            folder = fresh(work / f"nats-{place}")
            config = folder / "server.conf"
            config.write_text(
                f'server_name: "n{place}"\nlisten: "127.0.0.1:{self.ports[place]}"\nhttp: "127.0.0.1:{self.monitors[place]}"\n'
                f'jetstream {{ store_dir: "{folder}" }}\n'
                f'cluster {{ name: fleet, listen: "127.0.0.1:{routes[place]}", routes: [{others}] }}\n'
            )
            self.folders.append(folder)
            self.configs.append(config)

    def __enter__(self):
        for place in range(SERVERS):
            self.start(place)
        return self

    def __exit__(self, *_):
        for place in range(SERVERS):
            self.kill(place)

    def start(self, place):
        log = (self.folders[place] / "log").open("ab")
        command = ["nats-server", "-c", str(self.configs[place])]
        self.processes[place] = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for_port(self.ports[place], self.processes[place])

    def kill(self, place):
        if process := self.processes[place]:
            self.cpu[place] += cpu_s(process.pid)
            process.kill()
            process.wait()
            self.processes[place] = None

    def state(self):
        """Messages and bytes of the stream, as the most advanced server reports them."""
        best = {"messages": 0, "bytes": 0}
        for place, monitor in enumerate(self.monitors):
            if self.processes[place] is None:
                continue
            with contextlib.suppress(OSError, json.JSONDecodeError):
                with urllib.request.urlopen(f"http://127.0.0.1:{monitor}/jsz?streams=true", timeout=5) as answer:
                    found = json.load(answer)
                for account in found.get("account_details") or []:
                    for stream in account.get("stream_detail") or []:
                        if stream["name"] == STREAM and stream["state"]["messages"] > best["messages"]:
                            best = stream["state"]
        return best

    def cpu_s(self):
        return sum(self.cpu) + sum(cpu_s(process.pid) for process in self.processes if process)

    def peak_mib(self):
        return max(peak_mib(process.pid) for process in self.processes if process)

    def disk_mib(self):
        sizes = [sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) for folder in self.folders]
        return max(sizes) / 2**20


def write_box(work, number, server, cluster):
    folder = fresh(work / f"box-{number}")
    servers = ", ".join(f'"nats://127.0.0.1:{port}"' for port in cluster.ports)
    config = folder / "forward.toml"
    config.write_text(
        f'box = "box-{number}"\nsite = "plant"\nstate_folder = {json.dumps(str(folder))}\n[daemon]\nserver = "{server}"\n'
        '[status]\nlisten = "off"\n[log]\nformat = "json"\n'
        f'[sinks.fleet]\ntype = "nats"\nconsumer = "fleet-{number}"\nservers = [{servers}]\nstream = "{STREAM}"\nreplicas = {SERVERS}\n'
        "batch_limit = 100\ntimeout_s = 30\nretry_after_s = 0.5\nretry_after_max_s = 5\n"
    )
    return config


def measure(work, boxes, verdicts, kill):
    total = boxes * verdicts
    config = write_config(work)
    config.write_text(config.read_text().replace("[server]\n", "[server]\nstream_limit = 1024\n"))
    with Daemon(work, config) as daemon, Cluster(work) as cluster, contextlib.ExitStack() as stack:
        processes = []
        begun = time.monotonic()
        for number in range(boxes):
            box = write_box(work, number, daemon._server, cluster)
            log = stack.enter_context((box.parent / "log").open("w"))
            command = [BUILT / "inspectd-forward", "--config", box]
            processes.append(stack.enter_context(started(work, command, stdout=subprocess.DEVNULL, stderr=log)))
        killed = restarted = False
        first, messages = None, 0
        while messages < total:
            if time.monotonic() - begun > LIMIT_S:
                raise Failed(f"{messages} of {total} messages after {LIMIT_S} s: {(work / 'box-0/log').read_text()[-3000:]}")
            if ended := [process for process in processes if process.poll() is not None]:
                raise Failed(f"{len(ended)} boxes have ended: {(work / 'box-0/log').read_text()[-3000:]}")
            time.sleep(POLL_S)
            state = cluster.state()
            messages = state["messages"]
            if first is None and messages:
                first = time.monotonic(), messages
            print(f"\r{messages} of {total} messages", end="", file=sys.stderr, flush=True)
            if kill and not killed and messages > total / 3:
                cluster.kill(1)
                killed = True
            if killed and not restarted and messages > 2 * total / 3:
                cluster.start(1)
                restarted = True
        ended = time.monotonic()
        if killed and not restarted:
            cluster.start(1)
        # No message is delivered twice afterwards.
        time.sleep(10)
        state = cluster.state()
        print(file=sys.stderr)
        if state["messages"] != total:
            raise Failed(f"the stream has {state['messages']} messages, not {total}")
        thousands = total / 1000
        rate = (total - first[1]) / (ended - first[0])
        return (f"| {boxes} | {total:,} | {'yes' if kill else 'no'} | {rate:,.0f} | {state['bytes'] / total:,.0f} | {cluster.disk_mib():,.0f} "
                f"| {cluster.cpu_s() * 1e3 / thousands:.0f} | {sum(map(cpu_s, [p.pid for p in processes])) * 1e3 / thousands:.0f} "
                f"| {max(peak_mib(p.pid) for p in processes):.0f} | {cluster.peak_mib():.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=200)
    parser.add_argument("--verdicts", type=int, default=500)
    parser.add_argument("--kill", action="store_true", help="kill a server during the measurement")
    parser.add_argument("--out", type=Path, default=ROOT / "target/fleet")
    arguments = parser.parse_args()
    work = fresh(arguments.out.resolve())
    try:
        write_rows(work)
        fill(work / "journal", arguments.verdicts, time.time_ns())
        row = measure(work, arguments.boxes, arguments.verdicts, arguments.kill)
        print("| boxes | messages | server killed | messages/s | bytes a message | disk of a server, MiB "
              "| servers, CPU ms per 1,000 | boxes, CPU ms per 1,000 | box, peak MiB | server, peak MiB |\n|---|---|---|---|---|---|---|---|---|---|")
        print(row)
    except Failed as failed:
        sys.exit(f"fleet_load: {failed}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
