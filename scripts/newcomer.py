#!/usr/bin/env python3
"""Runs the commands of docs/first-line.md unmodified, as root in a clean Debian 12, as a newcomer would. Then it runs the commands
of other pages that need such an installation.

    scripts/newcomer.py --packages FOLDER --photographs FOLDER --trial FOLDER [--transcript FILE]

The root is made by debootstrap and booted by systemd-nspawn, with systemd as process 1 and the network of this machine, so
that apt-get reaches a mirror. The packages are copied to its folder ~/packages, the pictures to ~/photographs and ~/trial, as
the page requests of the reader. Then one shell runs each block that has the comment `run: newcomer`. With
`run: newcomer; prints: TEXT`, the output of the block must contain TEXT. Blocks of other pages have the comment
`run: installed`, and may have commands that are run before: `run: installed; before: COMMANDS`. They are not part of the
time.

It must run as root. The transcript is Markdown: each command with its output and time, then the time of each step. Exit
codes: 0 all commands succeeded within the time limit, 1 otherwise, 2 wrong arguments.
"""

import argparse
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DOCS = PROJECT / "docs"
PAGE = DOCS / "first-line.md"
WORK = PROJECT / "target" / "newcomer"
# A minimal Debian with systemd; scripts/package_test.sh makes the same.
BASE = PROJECT / "target" / "package-test" / "base.tar"
DEBOOTSTRAP = ["debootstrap", "--variant=minbase", "--include=systemd-sysv,dbus", "bookworm"]

BLOCK = re.compile(
    r"^## (?P<heading>[^\n]+)$|<!-- run: (?:newcomer|installed)(?P<options>(?:(?!-->).)*)-->\n```sh\n(?P<commands>.*?)^```$", re.M | re.S)
PRINTS = re.compile(r"; prints: (.+?)\s*$", re.S)
BEFORE = re.compile(r"; before: (.+?)\s*$", re.S)

# Ports of the configuration of the page. The root has the network of this machine.
PORTS = (50051, 8080, 9464)
# A command that takes longer is a failure: no step of the page takes this long.
COMMAND_LIMIT_S = 900
BOOT_LIMIT_S = 120
# The end of a command in the output of the shell.
MARK = "newcomer-command-ended"
ENVIRONMENT = ["env", "-i", "HOME=/root", "USER=root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
               "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]


@dataclass
class Block:
    """Commands of the page."""

    step: str
    commands: str
    # What the output must contain.
    prints: str
    # Commands that are run before, which a reader has already run.
    before: str


def blocks(text: str) -> list[Block]:
    """The blocks of the page that are run, each with its step."""
    found, step = [], ""
    for match in BLOCK.finditer(text):
        if match["heading"]:
            step = match["heading"]
        else:
            prints, before = PRINTS.search(match["options"]), BEFORE.search(match["options"])
            found.append(Block(step, match["commands"], prints[1] if prints else "", before[1] if before else ""))
    return found


def say(text: str) -> None:
    print(f"newcomer: {text}", file=sys.stderr, flush=True)


def wait_until(what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + BOOT_LIMIT_S
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"newcomer: {what}: not within {BOOT_LIMIT_S} s")
        time.sleep(0.2)


class Machine:
    """A booted clean Debian with one shell as root."""

    def __init__(self, root: Path) -> None:
        arguments = ["--quiet", "--boot", f"--directory={root}", "--machine=inspectd-newcomer", "--register=no",
                     "--keep-unit", "--resolv-conf=off", "--console=pipe"]
        log = (WORK / "boot.log").open("w", encoding="utf-8")
        self.container = subprocess.Popen(["systemd-nspawn", *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.leader = ""
        wait_until("start of the container", self._has_leader)
        self.inside = ["nsenter", "--target", self.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                       "--root", "--wd=/", *ENVIRONMENT]
        wait_until("systemd in the container", self._is_up)
        # The shell reads commands from descriptor 3, so that no program reads them as its input.
        start = ["bash", "-c", "exec bash /dev/fd/3 3<&0 </dev/null"]
        self.shell = subprocess.Popen([*self.inside, *start], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, errors="replace")

    def _has_leader(self) -> bool:
        children = subprocess.run(["pgrep", "--parent", str(self.container.pid)], capture_output=True, text=True)
        self.leader = children.stdout.strip()
        return self.leader.isdigit()

    def _is_up(self) -> bool:
        asked = [*self.inside, "systemctl", "is-active", "multi-user.target"]
        return subprocess.run(asked, capture_output=True).returncode == 0

    def run(self, commands: str) -> tuple[int, str]:
        """Runs commands; returns the exit code of the first that fails, or 0, and the output."""
        assert self.shell.stdin and self.shell.stdout
        # In the same shell, so that the working folder and variables stay; a trap notes the first failure.
        self.shell.stdin.write(f"failed=0; trap 'code=$?; [ $failed != 0 ] || failed=$code' ERR\n{commands}\n"
                               f"trap - ERR; printf '\\n{MARK} %s\\n' \"$failed\"\n")
        self.shell.stdin.flush()
        output = []
        limit = threading.Timer(COMMAND_LIMIT_S, self.shell.kill)
        limit.start()
        try:
            for line in self.shell.stdout:
                if line.startswith(MARK):
                    return int(line.split()[1]), "".join(output).rstrip("\n")
                output.append(line)
        finally:
            limit.cancel()
        return 125, "".join(output) + f"the shell ended; a command may take {COMMAND_LIMIT_S} s"

    def halt(self) -> None:
        """Powers off, as a machine that is shut down."""
        self.shell.kill()
        subprocess.run(["kill", "-s", "RTMIN+4", self.leader], check=False)
        try:
            self.container.wait(30)
        except subprocess.TimeoutExpired:
            self.container.send_signal(signal.SIGKILL)
            self.container.wait()


def put(source: Path, target: Path) -> None:
    """Copies the files of a folder."""
    files = [path for path in sorted(source.iterdir()) if path.is_file()]
    if not files:
        sys.exit(f"newcomer: {source} has no files")
    target.mkdir(parents=True)
    for path in files:
        shutil.copy(path, target / path.name)
    say(f"{len(files)} files of {source} -> {target.name}")


def new_root(arguments: argparse.Namespace) -> Path:
    """A clean Debian, with the files that the page tells the reader to copy."""
    for port in PORTS:
        with socket.socket() as listener:
            if listener.connect_ex(("127.0.0.1", port)) == 0:
                sys.exit(f"newcomer: port {port} of this machine is in use")
    root = WORK / "root"
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    if BASE.exists():
        subprocess.run(["tar", "-C", root, "-xf", BASE], check=True)
    else:
        subprocess.run([*DEBOOTSTRAP, root], check=True, stdout=subprocess.DEVNULL)
    # Names of hosts as on this machine.
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    for name in ("packages", "photographs", "trial"):
        put(getattr(arguments, name), root / "root" / name)
    return root


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="folder of the .deb files")
    parser.add_argument("--photographs", type=Path, required=True, help="folder of pictures of good parts")
    parser.add_argument("--trial", type=Path, required=True, help="folder of pictures to judge")
    parser.add_argument("--transcript", type=Path, help="file of the transcript [default: standard output]")
    parser.add_argument("--limit-minutes", type=float, default=15, help="time for all commands [default: 15]")
    return parser.parse_args()


def type_page(machine: Machine, page: Path) -> tuple[list[str], dict[str, float], list[str]]:
    """Runs the commands of a page; returns the transcript, the seconds of each step, and the faults."""
    lines: list[str] = []
    steps: dict[str, float] = {}
    faults: list[str] = []
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.step not in steps:
            lines += [f"## {block.step}", ""]
        if block.before:
            machine.run(block.before)
        began = time.monotonic()
        code, output = machine.run(block.commands)
        seconds = time.monotonic() - began
        steps[block.step] = steps.get(block.step, 0.0) + seconds
        typed = block.commands.strip()
        lines += [f"```console\n{typed}\n\n{output}\n```", f"*{seconds:.1f} s*", ""]
        say(f"{page.name}: {block.step}: {typed.splitlines()[0]}: {seconds:.1f} s, exit code {code}")
        if code != 0:
            return lines, steps, [*faults, f"{page.name}: {block.step}: exit code {code} of: {typed}"]
        if block.prints not in output:
            faults.append(f"{page.name}: {block.step}: the output lacks {block.prints!r}: {typed}")
    return lines, steps, faults


def type_other_pages(machine: Machine) -> list[str]:
    """Runs the commands of other pages; returns the faults."""
    faults: list[str] = []
    for page in sorted(DOCS.glob("*.md")):
        if page != PAGE:
            machine.run("cd /root")
            faults += type_page(machine, page)[2]
    return faults


def main() -> None:
    arguments = parse()
    machine = Machine(new_root(arguments))
    try:
        lines, steps, faults = type_page(machine, PAGE)
        if not faults:
            faults = type_other_pages(machine)
    finally:
        machine.halt()
    total = sum(steps.values())
    if total > arguments.limit_minutes * 60:
        faults.append(f"{total / 60:.1f} minutes are more than {arguments.limit_minutes:g}")
    lines = ["# Fifteen minutes to the first line, typed as written", "", *lines, "## Time", "", "| step | seconds |", "|---|---:|"]
    lines += [f"| {step} | {seconds:.1f} |" for step, seconds in steps.items()]
    lines += [f"| **all** | **{total:.1f}** |", "", *[f"- {fault}" for fault in faults]]
    transcript = "\n".join(lines) + "\n"
    if arguments.transcript:
        arguments.transcript.write_text(transcript, encoding="utf-8")
    else:
        print(transcript)
    for fault in faults:
        say(fault)
    shutil.rmtree(WORK / "root", ignore_errors=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
