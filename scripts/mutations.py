#!/usr/bin/env python3
"""Puts each fault of tests/mutations.toml back into the code, one at a time, and requires that its test fails.

    scripts/mutations.py                       all of them: some hours
    scripts/mutations.py 12.4-parts 12.9       one, and those of an item
    scripts/mutations.py --again 12.4-parts    also if the result is known
    scripts/mutations.py --check               the list only: each text is found once, each test exists, the table of
                                               docs/guarantees.md is current (a second; `make lint` runs it)
    scripts/mutations.py --docs                write that table

The code is that of HEAD, in a worktree in target/mutations with builds of its own; the checkout does not change. First the
tests must pass there without a mutation. A run can be interrupted: results are kept in target/mutations/results.json until the
mutation, its file or its test changes. The table of results is target/mutations/results.md. Tests that start other programs
than the daemon cannot be used. Exit codes: 0 each mutation is caught, 1 otherwise, 130 interrupted.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = "tests/mutations.toml"
DOCS = "docs/guarantees.md"
WORK = ROOT / "target/mutations"
TREE = WORK / "tree"
RESULTS = WORK / "results.json"

BEGIN = "<!-- mutations: scripts/mutations.py --docs writes this table -->"
END = "<!-- end of mutations -->"

# Folders of the sources of libraries, by package.
LIBRARIES = {"inspectd": "src", "inspectd-core": "crates/core/src", "inspectd-engine": "crates/engine/src"}

# A build and a test that waits until its own limits take less, seconds.
LIMIT = 15 * 60

CAUGHT = "caught"


class Wrong(Exception):
    """The list, or something on this machine, must be corrected first."""


@dataclass(frozen=True)
class Mutation:
    id: str
    fault: str
    file: str
    find: str
    replace: str
    target: str
    test: str
    package: str = "inspectd"
    seeds: int = 0

    @property
    def item(self):
        """The number of the item of issue 12; empty if it belongs to none."""
        match = re.match(r"12\.(\d+)-", self.id)
        return match[1] if match else ""

    @property
    def finder(self):
        """The test, as the documents name it."""
        if self.target != "lib":
            return f"`{self.target}::{self.test}`"
        crate = self.package.removeprefix("inspectd").removeprefix("-")
        return f"`{self.test}`" + (f" ({crate})" if crate else "")

    @property
    def suite(self):
        """What cargo builds for the test."""
        return self.package, self.target

    def test_file(self, root):
        """The file with the test; none if there is no such test."""
        if self.target == "lib":
            folder, top = root / LIBRARIES[self.package], "lib.rs"
        else:
            folder, top = root / "tests" / self.target, "main.rs"
        parts = self.test.split("::")
        if self.seeds:
            # All tests of a module.
            return module_file(folder, top, parts)
        *modules, name = parts
        for count in range(len(modules), -1, -1):
            file = module_file(folder, top, modules[:count])
            if file is None:
                continue
            text = file.read_text()
            inline = all(re.search(rf"^\s*mod {module} \{{", text, re.M) for module in modules[count:])
            attributes = r"#\[(?:tokio::)?test\b[^\n]*\]\n(?:\s*#\[[^\n]*\]\n)*"
            if inline and re.search(rf"{attributes}\s*(?:async )?fn {name}\(", text):
                return file
        return None

    def key(self, root):
        """Changes with the mutation, the file that it changes and the file of its test, whatever the commit is."""
        test = self.test_file(root)
        content = [repr(self), (root / self.file).read_text(), test.read_text() if test else ""]
        return hashlib.sha256("\0".join(content).encode()).hexdigest()[:16]


def module_file(folder, top, modules):
    """The file of a module; none if it has no file."""
    if not modules:
        candidates = [folder / top]
    else:
        path = folder.joinpath(*modules)
        candidates = [path.with_name(path.name + ".rs"), path / "mod.rs"]
    return next((file for file in candidates if file.is_file()), None)


def read_list():
    entries = tomllib.loads((ROOT / LIST).read_text())["mutation"]
    try:
        mutations = [Mutation(**entry) for entry in entries]
    except TypeError as error:
        raise Wrong(f"{LIST}: {error}") from None
    ids = [mutation.id for mutation in mutations]
    if repeated := {id for id in ids if ids.count(id) > 1}:
        raise Wrong(f"{LIST}: ids that occur more than once: {', '.join(sorted(repeated))}")
    return mutations


def faults(mutation, root):
    """What is wrong with a mutation, for the sources in `root`."""
    if mutation.package not in LIBRARIES:
        yield f"{mutation.id}: package {mutation.package} is not known to scripts/mutations.py"
        return
    file = root / mutation.file
    count = file.read_text().count(mutation.find) if file.is_file() else 0
    if count != 1:
        yield f"{mutation.id}: {mutation.file} has the text {count} times, must have it once: {mutation.find}"
    if mutation.find == mutation.replace:
        yield f"{mutation.id}: changes nothing"
    if mutation.test_file(root) is None:
        yield f"{mutation.id}: there is no test {mutation.finder}"


def document(mutations):
    """docs/guarantees.md with the present table."""
    rows = [f"| {m.item or '–'} | {m.fault} | {m.finder} |" for m in mutations]
    table = "\n".join([BEGIN, "", "| item | fault | found by |", "|---|---|---|", *rows, "", END])
    text = (ROOT / DOCS).read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise Wrong(f"{DOCS}: the markers of the table are missing: {BEGIN}, {END}")
    before, rest = text.split(BEGIN)
    return before + table + rest.split(END)[1]


def check(mutations):
    found = [fault for mutation in mutations for fault in faults(mutation, ROOT)]
    if (ROOT / DOCS).read_text() != document(mutations):
        found.append(f"{DOCS}: the table of mutations is not current; scripts/mutations.py --docs writes it")
    for fault in found:
        print(f"mutations: {fault}", file=sys.stderr)
    return 1 if found else 0


def git(*arguments):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Wrong(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def prepare(commit):
    """Checks the commit out into the worktree."""
    git("worktree", "prune")
    if TREE.exists():
        # Also restores a file that an interrupted run has left changed.
        git("-C", str(TREE), "checkout", "--quiet", "--force", "--detach", commit)
    else:
        git("worktree", "add", "--quiet", "--detach", str(TREE), commit)
    tools = TREE / ".tools"
    if not tools.exists():
        tools.symlink_to(ROOT / ".tools")


def cargo(arguments, seeds=0, limit=None):
    """Runs cargo in the worktree; returns its exit code, none if it took longer than the limit, and what it printed."""
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(WORK / "target"),
        "CARGO_INCREMENTAL": "1",
        "CARGO_TERM_COLOR": "never",
        # As in other builds of this checkout, so that they may be copied.
        "LIBTORCH": os.environ.get("LIBTORCH", str(ROOT / ".tools/libtorch")),
        "ORT_DYLIB_PATH": os.environ.get("ORT_DYLIB_PATH", str(ROOT / ".tools/onnxruntime/libonnxruntime.so")),
    }
    # A skipped test would count as one that passes.
    environment.pop("INSPECTD_ALLOW_SKIPS", None)
    if seeds:
        environment["INSPECTD_SIMULATE_SEEDS"] = str(seeds)
    process = subprocess.Popen(
        ["cargo", *arguments],
        cwd=TREE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_tests(suite, tests, seeds=0, limit=None):
    """Runs tests: "passed", "caught" if one fails, or why there is no result; and what was printed."""
    package, target = suite
    packages = ["--workspace"] if package == "inspectd" else ["-p", package]
    kind = ["--lib"] if target == "lib" else ["--test", target]
    code, output = cargo(["test", *packages, *kind, "--", *tests], seeds, limit)
    if code is None:
        return f"does not end within {limit // 60} min", output
    if "could not compile" in output:
        return "does not compile", output
    results = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed", output, re.M)
    passed, failed = (sum(int(result[index]) for result in results) for index in range(2))
    if failed:
        return CAUGHT, output
    if code != 0:
        return "cargo fails", output
    return "passed" if passed >= len(tests) else "test not found", output


def mutate(mutation):
    """Runs the test of a mutation; returns the result."""
    file = TREE / mutation.file
    original = file.read_text()
    file.write_text(original.replace(mutation.find, mutation.replace))
    try:
        result, output = run_tests(mutation.suite, [mutation.test], mutation.seeds, LIMIT)
    finally:
        file.write_text(original)
    if result == "passed":
        result = "survives"
    log = WORK / "logs" / f"{mutation.id}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(output)
    return result


class Results:
    """What is known from earlier runs."""

    def __init__(self):
        self.known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}

    def put(self, key, value):
        self.known[key] = value
        new = RESULTS.with_suffix(".new")
        new.write_text(json.dumps(self.known, indent=1))
        new.replace(RESULTS)


def check_unchanged(mutations, results, again):
    """Runs the tests of these mutations, which are of one suite, without a mutation; returns those that fail."""
    suite = mutations[0].suite
    key = "/".join(["unchanged", git("-C", str(TREE), "rev-parse", "HEAD^{tree}"), *suite])
    known = results.known.get(key, [])
    tests = sorted({mutation.test for mutation in mutations if again or mutation.test not in known})
    if not tests:
        return set()
    print(f"{'/'.join(suite)}: {len(tests)} tests without a mutation ...", flush=True)
    failed = tests
    # Once more those that fail: a busy machine may be the reason.
    for _ in range(2):
        result, output = run_tests(suite, failed, max(mutation.seeds for mutation in mutations))
        if result not in ("passed", CAUGHT):
            raise Wrong(f"without a mutation: {result}\n{output[-8000:]}")
        names = set(re.findall(r"^    (\S+)$", output[output.rfind("\nfailures:") :], re.M)) if result == CAUGHT else set()
        failed = [test for test in failed if any(name == test or name.startswith(f"{test}::") for name in names)]
        if not failed:
            break
    results.put(key, sorted({*known, *tests} - {*failed}))
    return set(failed)


def minutes(seconds):
    return f"{seconds / 60:.0f} min"


def run(mutations, commit, again):
    prepare(commit)
    results = Results()
    wrong = [fault for mutation in mutations for fault in faults(mutation, TREE)]
    if wrong:
        raise Wrong(f"in {commit}:\n" + "\n".join(wrong))
    keys = {mutation.id: mutation.key(TREE) for mutation in mutations}
    known = {} if again else {id: results.known[key] for id, key in keys.items() if key in results.known}
    # Those of one suite together, so that little is built for each: first the quick ones.
    open_ones = [mutation for mutation in mutations if mutation.id not in known]
    open_ones.sort(key=lambda mutation: (mutation.package != "inspectd", mutation.target != "lib"))
    if known:
        print(f"{len(known)} of {len(mutations)} results are known")
    try:
        suite, failed, spent = None, set(), 0.0
        for number, mutation in enumerate(open_ones, 1):
            if mutation.suite != suite:
                suite = mutation.suite
                failed = check_unchanged([other for other in open_ones if other.suite == suite], results, again)
            start = time.monotonic()
            result = "the test fails without it" if mutation.test in failed else mutate(mutation)
            took = time.monotonic() - start
            spent += took
            known[mutation.id] = {"id": mutation.id, "result": result, "seconds": round(took)}
            # An error is tried again by the next run.
            if result in (CAUGHT, "survives"):
                results.put(keys[mutation.id], known[mutation.id])
            left = spent / number * (len(open_ones) - number)
            print(
                f"{number} of {len(open_ones)}  {mutation.id}  {result} ({took:.0f} s), {minutes(left)} left", flush=True
            )
    finally:
        write_table(mutations, known)
    bad = [mutation for mutation in mutations if known[mutation.id]["result"] != CAUGHT]
    print(f"{len(mutations) - len(bad)} of {len(mutations)} mutations are caught")
    for mutation in bad:
        print(f"  {mutation.id}: {known[mutation.id]['result']}; target/mutations/logs/{mutation.id}.log")
    return 1 if bad else 0


def write_table(mutations, known):
    rows = []
    for mutation in mutations:
        result = known.get(mutation.id, {"result": "not run", "seconds": ""})
        rows.append(f"| {mutation.id} | {mutation.fault} | {mutation.finder} | {result['result']} | {result['seconds']} |")
    header = ["| id | fault | test | result | seconds |", "|---|---|---|---|---|"]
    (WORK / "results.md").write_text("\n".join([*header, *rows]) + "\n")


def is_named(mutation, id):
    """Whether an argument is the id, or the number of its item as in 12.4."""
    return mutation.id == id or mutation.id.startswith(f"{id}-")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", help="ids of mutations, or numbers of items as in 12.4")
    parser.add_argument("--check", action="store_true", help="check the list and the table of the documents only")
    parser.add_argument("--docs", action="store_true", help="write the table of the documents")
    parser.add_argument("--again", action="store_true", help="also run mutations whose result is known")
    parser.add_argument("--commit", default="HEAD", help="the commit whose code is changed")
    options = parser.parse_args()
    mutations = read_list()
    if options.docs:
        (ROOT / DOCS).write_text(document(mutations))
        return 0
    if options.check:
        return check(mutations)
    chosen = mutations
    if options.ids:
        for id in options.ids:
            if not any(is_named(mutation, id) for mutation in mutations):
                raise Wrong(f"there is no mutation {id}")
        chosen = [mutation for mutation in mutations if any(is_named(mutation, id) for id in options.ids)]
    WORK.mkdir(parents=True, exist_ok=True)
    with open(WORK / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Wrong("another run is in progress") from None
        return run(chosen, git("rev-parse", options.commit), options.again)


def interrupted(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Each ends the builds and restores the file.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, interrupted)
    try:
        sys.exit(main())
    except Wrong as error:
        sys.exit(f"mutations: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
