"""THIRD-PARTY-LICENSES: one text with the licences of everything that is shipped. cargo-about collects those of the crates."""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from .parts import Part, Parts
from .project import ROOT, Failed, Workspace, output

CONFIG = "packaging/licences/about.toml"
CACHE = ROOT / "target/supply-chain"
RULE = "=" * 100
HEADER = """\
Licences of third-party software in {programs}, version {version}

This file covers what the packages and images of inspectd contain: Rust crates that the programs are compiled from, and
parts that are not Rust. inspectd itself is licensed under MIT OR Apache-2.0; see LICENSE. Libraries that Debian provides are
installed as Debian packages; their licences are in /usr/share/doc/PACKAGE/copyright.

Part 1 lists all crates and parts, part 2 has the licence texts of the crates, part 3 those of the parts.
"""


@dataclass(frozen=True)
class Text:
    """A licence text of crates, which may contain names of copyright holders."""

    licence: str
    text: str
    crates: list[str]


class _PlainText(HTMLParser):
    """The text of a page, with a line for each block."""

    BLOCKS = {"p", "div", "h1", "h2", "h3", "li", "pre", "ul", "title"}

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._verbatim += tag == "pre"
        if tag in self.BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._verbatim -= tag == "pre"
        if tag in self.BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data if self._verbatim else re.sub(r"\s+", " ", data))


def plain_text(path: Path) -> str:
    """A file of a licence as text."""
    text = path.read_text()
    if path.suffix == ".html":
        page = _PlainText()
        page.feed(text)
        text = "".join(page.parts)
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _about(workspace: Workspace) -> dict:
    """The answer of cargo-about, which takes minutes: kept until crates or rules change."""
    rules = (ROOT / CONFIG).read_text() + output(["cargo", "about", "--version"])
    kept = CACHE / f"{hashlib.sha256((workspace.hash + rules).encode()).hexdigest()}.json"
    if not kept.is_file():
        command = ["cargo", "about", "generate", "--config", CONFIG, "--workspace", "--locked", "--fail"]
        answer = output([*command, "--target", workspace.target, "--format", "json"])
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir(parents=True)
        kept.write_text(answer)
    return json.loads(kept.read_text())


def _collected(workspace: Workspace) -> tuple[list[Text], dict[tuple[str, str], str]]:
    """What cargo-about collects: the texts, and the licence of each crate by name and version."""
    found = _about(workspace)
    texts = []
    licences: dict[tuple[str, str], set[str]] = {}
    for licence in found["licenses"]:
        crates = {(user["crate"]["name"], user["crate"]["version"]) for user in licence["used_by"]}
        for crate in crates:
            licences.setdefault(crate, set()).add(licence["id"])
        text = licence["text"].replace("\r\n", "\n").strip("\n")
        if not text.strip():
            raise Failed(f"no text was found of {licence['id']} for {sorted(crates)}")
        texts.append(Text(licence["id"], text, [f"{name} {version}" for name, version in sorted(crates)]))
    texts.sort(key=lambda text: (text.licence, text.crates))
    return texts, {crate: " AND ".join(sorted(ids)) for crate, ids in licences.items()}


def _overview(crates: dict[tuple[str, str], str], parts: list[Part]) -> str:
    lines = ["Crates, with the licence under which they are used:", ""]
    lines += [f"  {name} {version}: {licence}" for (name, version), licence in sorted(crates.items())]
    lines += ["", "Parts that are not Rust crates:", ""]
    for part in parts:
        version = f" {part.version}" if part.version else ""
        licence = part.licence or part.licence_name
        lines.append(f"  {part.name}{version}, in {', '.join(part.programs)}: {licence}; {part.how}")
    return "\n".join(lines)


def _missing(shipped: set[tuple[str, str]], crates: dict, programs: set[str], parts: Parts) -> list[str]:
    """What is shipped and not covered."""
    missing = [f"no licence text of the crate {name} {version}" for name, version in sorted(shipped - set(crates))]
    missing += parts.check(shipped)
    named = {name for part in parts.all for name in part.programs}
    missing += [f"no part names the program {name}" for name in sorted(programs - named)]
    return missing + [f"a part names the program {name}, which does not exist" for name in sorted(named - programs)]


def _of_crates(texts: list[Text], crates: set[str]) -> list[str]:
    """The texts of some crates."""
    sections = []
    for text in texts:
        if users := [crate for crate in text.crates if crate in crates]:
            sections.append(f"{'-' * 100}\n{text.licence}\nUsed by: {', '.join(users)}\n\n{text.text}\n")
    return sections


def _of_parts(parts: list[Part]) -> list[str]:
    """The texts of all parts, each once."""
    sections = []
    printed: dict[str, str] = {}
    for part in parts:
        body = [f"{'-' * 100}\n{part.name}: {part.licence or part.licence_name}\n"]
        for path in part.texts:
            text = plain_text(path)
            if text in printed:
                body.append(f"The text {path.name} is printed above, for {printed[text]}.\n")
            else:
                printed[text] = part.name
                body.append(text)
        sections.append("\n".join(body))
    return sections


def _heading(text: str) -> str:
    return f"{RULE}\n{text}\n{RULE}\n"


def write(workspace: Workspace, parts: Parts, file: Path) -> str:
    """Writes the file and returns a line about it.

    # Errors
    Something is shipped and not covered.
    """
    programs = {program.name for program in workspace.programs()}
    own = {package["name"] for package in workspace.members}
    trees = [workspace.crates(program) for program in workspace.programs()]
    shipped = {crate for tree in trees for crate in tree if crate[0] not in own}
    texts, found = _collected(workspace)
    if missing := _missing(shipped, found, programs, parts):
        raise Failed("not covered by packaging/licences:\n  " + "\n  ".join(missing))
    crates = {crate: licence for crate, licence in found.items() if crate in shipped}
    sections = [
        HEADER.format(programs=", ".join(sorted(programs)), version=workspace.version),
        _heading("1. Overview"),
        _overview(crates, parts.all) + "\n",
        _heading("2. Licence texts of the crates"),
        *_of_crates(texts, {f"{name} {version}" for name, version in crates}),
        _heading("3. Licence texts of the parts"),
        *_of_parts(parts.all),
    ]
    content = "\n".join(sections)
    if str(ROOT) in content:
        raise Failed(f"{file.name} contains {ROOT}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return f"{file.name}: {len(crates)} crates, {len(parts.all)} parts, {len(content) // 1024} KiB"
