#!/usr/bin/env python3
"""Checks the links of the documents: every file, anchor and image that they name exists.

    scripts/check_links.py                           the Markdown files of the repository
    scripts/check_links.py --manual target/manual    and the pages of the built manual

In Markdown, anchors are those that GitHub makes of headings; in the manual, those of its HTML. Addresses of other sites are
not fetched. Prints each wrong link with its place, then a count. Exit codes: 0 all links are valid, 1 otherwise.
"""

import argparse
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent

FENCE = re.compile(r"^\s*(```|~~~)")
CODE = re.compile(r"`[^`]*`")
# A link or image with its target; titles after the target are allowed.
LINK = re.compile(r"\]\(\s*<?([^)\s>]*)>?[^)]*\)")
DEFINITION = re.compile(r"^\[[^\]]+\]:\s*(\S+)")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
HTML_ID = re.compile(r"<[a-z]+\s[^>]*\b(?:id|name)=\"([^\"]+)\"")


def lines(text: str) -> list[str]:
    """The lines outside of blocks of code; those inside are empty."""
    kept, inside = [], False
    for line in text.splitlines():
        if FENCE.match(line):
            inside = not inside
            kept.append("")
        else:
            kept.append("" if inside else line)
    return kept


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.replace("`", ""))
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


@cache
def markdown_anchors(path: Path) -> frozenset[str]:
    """All anchors of a Markdown file."""
    found: dict[str, int] = {}
    anchors = set()
    for line in lines(path.read_text(encoding="utf-8")):
        anchors.update(HTML_ID.findall(line))
        if match := HEADING.match(line):
            name = slug(match[2])
            count = found.get(name, 0)
            found[name] = count + 1
            anchors.add(f"{name}-{count}" if count else name)
    return frozenset(anchors)


def markdown_faults(path: Path) -> tuple[int, list[str]]:
    """The number of links of a Markdown file, and what is wrong with them."""
    count, faults = 0, []
    for number, line in enumerate(lines(path.read_text(encoding="utf-8")), 1):
        line = CODE.sub("", line)
        for target in LINK.findall(line) + DEFINITION.findall(line):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = f"{path.relative_to(ROOT)}:{number}"
            if not file.exists():
                faults.append(f"{place}: {target}: no such file")
            elif parts.fragment and file.suffix == ".md" and parts.fragment not in markdown_anchors(file):
                faults.append(f"{place}: {target}: no such heading")
    return count, faults


class Page(HTMLParser):
    """The links and anchors of a page of the manual."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.images_without_text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        for name in ("id", "name"):
            if value := values.get(name):
                self.anchors.add(value)
        for name in ("href", "src"):
            if value := values.get(name):
                self.links.append(value)
        if tag == "img" and not values.get("alt"):
            self.images_without_text.append(values.get("src") or "")


@cache
def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def page_faults(path: Path, manual: Path) -> tuple[int, list[str]]:
    """The number of links of a page of the manual, and what is wrong with them."""
    count, faults = 0, []
    content = page(path)
    place = path.relative_to(manual)
    for target in content.links:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc or target.startswith("//"):
            continue
        count += 1
        file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if file.is_dir():
            file = file / "index.html"
        if not file.is_file():
            faults.append(f"{place}: {target}: no such file")
        elif file.suffix == ".md":
            faults.append(f"{place}: {target}: a page that is not in docs/SUMMARY.md")
        elif parts.fragment and file.suffix == ".html" and unquote(parts.fragment) not in page(file).anchors:
            faults.append(f"{place}: {target}: no such anchor")
    faults += [f"{place}: {source}: an image without a text" for source in content.images_without_text]
    return count, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manual", type=Path, metavar="FOLDER", help="the built manual")
    arguments = parser.parse_args()

    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(tracked, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    results = [markdown_faults(ROOT / name) for name in sorted(set(names)) if (ROOT / name).exists()]
    what = f"{len(results)} documents"
    if arguments.manual:
        manual = arguments.manual.resolve()
        # 404.html has links from the root of a site; print.html repeats all pages on one, where two anchors may coincide.
        pages = [path for path in manual.rglob("*.html") if path.name not in ("404.html", "print.html", "toc.html")]
        if not pages:
            sys.exit(f"{manual} has no pages")
        results += [page_faults(path, manual) for path in sorted(pages)]
        what += f", {len(pages)} pages"
    faults = [fault for _, found in results for fault in found]
    for fault in faults:
        print(fault)
    print(f"{what}: {sum(count for count, _ in results)} links, {len(faults)} wrong")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
