#!/usr/bin/env python3
"""Checks that `rust-version` of the workspace is at least that of every dependency; `make lint` runs it.

Exit codes: 0 it is, 1 a dependency requires a newer Rust.
"""

import json
import subprocess
import sys


def number(version):
    return tuple(int(part) for part in version.split("."))[:2]


def main():
    output = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"],
        check=True,
        capture_output=True,
    ).stdout
    metadata = json.loads(output)
    members = set(metadata["workspace_members"])
    stated = {p["rust_version"] for p in metadata["packages"] if p["id"] in members}
    if len(stated) != 1 or None in stated:
        print(f"check_rust_version: the packages state different versions: {stated}", file=sys.stderr)
        return 1
    (stated,) = stated
    newer = [
        f"{p['name']} {p['version']} requires Rust {p['rust_version']}"
        for p in metadata["packages"]
        if p["rust_version"] and number(p["rust_version"]) > number(stated)
    ]
    for line in newer:
        print(f"check_rust_version: {line}, but rust-version is {stated}", file=sys.stderr)
    return 1 if newer else 0


if __name__ == "__main__":
    sys.exit(main())
