"""What is shipped and is not a Rust crate: packaging/licences/parts.toml."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .project import ROOT, Failed, Workspace

FILE = ROOT / "packaging/licences/parts.toml"
KEYS = {"name", "kind", "version", "licence", "licence_name", "purl", "programs", "how", "files", "texts", "crate"}
KINDS = ("library", "machine-learning-model", "data")
FOREIGN_SOURCES = {".c", ".cc", ".cpp", ".S", ".asm"}
# Folders of a crate that are not compiled into a program.
NOT_COMPILED = {"tests", "test", "benches", "examples", "fuzz"}


@dataclass(frozen=True)
class Part:
    """One part, with its version found and its files checked."""

    name: str
    kind: str
    version: str | None
    # An SPDX expression, or None and the name of a licence that SPDX does not have.
    licence: str | None
    licence_name: str | None
    purl: str | None
    programs: list[str]
    how: str
    files: list[Path]
    texts: list[Path]
    crate: str | None


class Parts:
    """All parts, and the crates whose sources in other languages are covered by the licence of the crate."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        document = tomllib.loads(FILE.read_text())
        self.all = [self._part(table) for table in document["parts"]]
        self._own_sources = set(document["own_sources"])

    def of(self, program: str) -> list[Part]:
        """The parts of a program."""
        return [part for part in self.all if program in part.programs]

    def path(self, text: str) -> Path:
        """The file that a path of parts.toml names."""
        if text.startswith("crate:"):
            crate, inner = text.removeprefix("crate:").split("/", 1)
            path = self._workspace.only_folder(crate) / inner
        elif text.startswith("toolchain:"):
            path = self._workspace.sysroot / text.removeprefix("toolchain:")
        else:
            path = ROOT / text
        if not path.is_file():
            raise Failed(f"{FILE.name}: {path} does not exist (scripts/setup.sh runtime training installs .tools)")
        return path

    def _part(self, table: dict) -> Part:
        name = table["name"]
        if unknown := set(table) - KEYS:
            raise Failed(f"{FILE.name}: {name} has unknown keys: {sorted(unknown)}")
        if table["kind"] not in KINDS:
            raise Failed(f"{FILE.name}: kind of {name} must be one of {KINDS}")
        if ("licence" in table) == ("licence_name" in table):
            raise Failed(f"{FILE.name}: {name} must have either licence or licence_name")
        version = self._version(name, table["version"]) if "version" in table else None
        purl = table.get("purl")
        return Part(
            name=name,
            kind=table["kind"],
            version=version,
            licence=table.get("licence"),
            licence_name=table.get("licence_name"),
            purl=purl.format(version=version) if purl else None,
            programs=table["programs"],
            how=table["how"],
            files=[self.path(text) for text in table.get("files", [])],
            texts=[self.path(text) for text in table["texts"]],
            crate=table.get("crate"),
        )

    def _version(self, name: str, rule: str | dict) -> str:
        if rule == "rustc":
            return self._workspace.rustc
        if isinstance(rule, str):
            return rule
        path = self.path(rule["file"])
        # A program has its version as bytes between others; each byte is a character of latin-1.
        text = path.read_bytes().decode(rule.get("encoding", "latin-1"), errors="ignore")
        found = re.search(rule["pattern"], text, re.MULTILINE)
        if not found:
            raise Failed(f"{FILE.name}: {path} does not contain the version of {name}: {rule['pattern']}")
        return ".".join(found.groups())

    def check(self, shipped: set[tuple[str, str]]) -> list[str]:
        """What is shipped and is not covered: models, files of the page by others, sources in C of crates."""
        listed = {file.resolve() for part in self.all for file in part.files}
        wanted = [path for path in sorted(ROOT.glob("models/*/*")) if path.suffix in (".onnx", ".safetensors")]
        for folder in ("src/http/page/assets", "training/src"):
            wanted += [path for path in sorted((ROOT / folder).rglob("*")) if _by_others(path)]
        missing = [f"{path.relative_to(ROOT)} is in no part" for path in wanted if path.resolve() not in listed]
        covered = self._own_sources | {part.crate for part in self.all if part.crate}
        foreign = {name for name, version in shipped if self._has_foreign_sources(name, version)}
        missing += [f"the crate {name} contains C, C++ or assembler" for name in sorted(foreign - covered)]
        missing += [f"the crate {name} is not shipped, or is Rust only" for name in sorted(covered - foreign)]
        return missing

    def _has_foreign_sources(self, name: str, version: str) -> bool:
        folder = self._workspace.folder(name, version)
        if folder.is_relative_to(ROOT):
            return False
        files = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix in FOREIGN_SOURCES)
        return any(not NOT_COMPILED & set(path.parts) for path in files)


def _by_others(path: Path) -> bool:
    """Whether a file that is not Rust names a holder of a copyright; licence texts do not count."""
    if not path.is_file() or path.suffix in (".rs", ".txt"):
        return False
    head = path.read_bytes()[:20_000].replace(b"\0", b"")
    return re.search(rb"copyright|\(c\) (19|20)\d\d", head, re.IGNORECASE) is not None


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
