"""The workspace: its programs, and the crates in each."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """A message for the person who runs the command."""


@dataclass(frozen=True)
class Program:
    """A binary target that is shipped."""

    name: str
    package: str
    # Relative to ROOT.
    folder: str


def output(command: list[str]) -> str:
    """Standard output of a command that is run in the root of the project."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout


class Workspace:
    """What Cargo knows of the packages in Cargo.lock, for the platform TARGET."""

    def __init__(self, target: str) -> None:
        self.target = target
        command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
        text = output(command)
        self._metadata = json.loads(text)
        # Changes with each package, version and feature.
        self.hash = hashlib.sha256(text.encode()).hexdigest()
        members = set(self._metadata["workspace_members"])
        self.members = [package for package in self._metadata["packages"] if package["id"] in members]
        self.version = next(package["version"] for package in self.members if package["name"] == "inspectd")
        self.sysroot = Path(output(["rustc", "--print", "sysroot"]).strip())
        self.rustc = output(["rustc", "--version"]).split()[1]

    def programs(self) -> list[Program]:
        """All programs of the workspace, those that do not exist yet included: each is shipped."""
        return [
            Program(target["name"], package["name"], str(Path(package["manifest_path"]).parent.relative_to(ROOT)))
            for package in self.members
            for target in package["targets"]
            if "bin" in target["kind"]
        ]

    def crates(self, program: Program) -> set[tuple[str, str]]:
        """Name and version of the crates that the program is compiled from, macros included, without its own package."""
        command = ["cargo", "tree", "--package", program.package, "--edges", "normal", "--target", self.target]
        tree = output([*command, "--prefix", "none", "--format", "{p}", "--locked"])
        words = (line.split() for line in tree.splitlines() if line)
        found = {(word[0], word[1].removeprefix("v")) for word in words}
        return {crate for crate in found if crate[0] != program.package}

    def folder(self, crate: str, version: str) -> Path:
        """The folder of the sources of a crate."""
        for package in self._metadata["packages"]:
            if (package["name"], package["version"]) == (crate, version):
                return Path(package["manifest_path"]).parent
        raise Failed(f"Cargo.lock does not have the crate {crate} {version}")

    def only_folder(self, crate: str) -> Path:
        """The folder of a crate that is in Cargo.lock in one version."""
        versions = {p["version"] for p in self._metadata["packages"] if p["name"] == crate}
        if len(versions) != 1:
            raise Failed(f"one version of the crate {crate} is expected in Cargo.lock, found: {sorted(versions)}")
        return self.folder(crate, versions.pop())
