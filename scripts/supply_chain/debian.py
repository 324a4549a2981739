"""The shared libraries of a program that Debian packages provide."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .project import Failed, output


@dataclass(frozen=True)
class Package:
    """An installed Debian package."""

    name: str
    version: str
    architecture: str
    homepage: str
    # Whether the program itself names one of its libraries, and not only another library does.
    direct: bool


def _libraries(program: Path, folders: list[Path]) -> dict[str, Path]:
    """The libraries that the loader finds for a program: path by name."""
    search = ":".join(str(folder) for folder in folders)
    environment = {**os.environ, "LD_LIBRARY_PATH": search}
    done = subprocess.run(["ldd", program], env=environment, capture_output=True, text=True, check=True)
    if missing := re.findall(r"(\S+) => not found", done.stdout):
        raise Failed(f"{program} needs libraries that are not installed: {', '.join(missing)}")
    return {name: Path(path) for name, path in re.findall(r"^\s*(\S+) => (/\S+)", done.stdout, re.MULTILINE)}


def _candidates(path: Path) -> list[str]:
    """The names under which dpkg may know a library: that of the loader, and the one without links."""
    real = str(path.resolve())
    return list(dict.fromkeys([str(path), real, real.removeprefix("/usr")]))


def _owners(paths: list[Path]) -> dict[str, str]:
    """The packages that have installed files: package by file. Other files are left out."""
    names = [name for path in paths for name in _candidates(path)]
    # It fails if one of them is unknown.
    done = subprocess.run(["dpkg-query", "--search", *names], capture_output=True, text=True, check=False)
    rows = (line.split(": ", 1) for line in done.stdout.splitlines())
    return {path: owners.split(",")[0] for owners, path in rows}


def packages(program: Path, parts: list[Path]) -> list[Package]:
    """The packages whose libraries a program loads when it starts. Libraries in `parts` are shipped, others must have one.

    # Errors
    A library belongs to no package and is no part.
    """
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", output(["readelf", "--dynamic", "--wide", str(program)])))
    shipped = {path.resolve() for path in parts}
    found = _libraries(program, sorted({part.parent for part in parts}))
    loaded = {name: path for name, path in found.items() if path.resolve() not in shipped}
    owners = _owners(list(loaded.values()))
    direct: dict[str, bool] = {}
    for name, path in loaded.items():
        owner = next((owners[candidate] for candidate in _candidates(path) if candidate in owners), None)
        if owner is None:
            raise Failed(f"{program.name} loads {path}, which belongs to no Debian package and to no part of parts.toml")
        direct[owner] = direct.get(owner, False) or name in needed
    fields = "${binary:Package}\t${Package}\t${Version}\t${Architecture}\t${Homepage}\n"
    shown = output(["dpkg-query", "--show", "--showformat", fields, *direct])
    result = []
    for line in shown.splitlines():
        full_name, *row = line.split("\t")
        result.append(Package(*row, direct=direct.get(full_name, direct.get(row[0], False))))
    return sorted(result, key=lambda package: package.name)
