#!/usr/bin/env python3
"""Preprocessor of mdBook for the manual (docs/book.toml).

1. Links from a page of docs/ to a file of the repository that is not in docs/ become links to the repository, because the
   manual does not have that file.
2. A link whose text is the name of a page, such as [fit.md](fit.md#the-photographs), has the title of the page instead.

mdBook writes the context and the book as JSON to standard input, and reads the book from standard output.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# [text](../path) and [text](../path#anchor); also images.
OUTSIDE = re.compile(r"(\]\()(\.\./[^)\s]*)(\))")
# [fit.md](fit.md) and [fit.md](fit.md#anchor).
NAMED = re.compile(r"\[([\w-]+\.md)\](?=\(\1[#)])")


def rewrite(text: str, page: Path, root: Path, addresses: dict[str, str], titles: dict[str, str]) -> str:
    """The text of a page with the links that the manual has."""

    def to_repository(match: re.Match[str]) -> str:
        path, hash_mark, anchor = match[2].partition("#")
        target = (page.parent / path).resolve()
        if not target.exists():
            sys.exit(f"{page}: {match[2]} does not exist")
        kind = "folders" if target.is_dir() else "files"
        return f"{match[1]}{addresses[kind]}/{target.relative_to(root)}{hash_mark}{anchor}{match[3]}"

    text = NAMED.sub(lambda match: f"[{titles.get(match[1], match[1])}]", text)
    return OUTSIDE.sub(to_repository, text)


def chapters(items: list[Any]) -> Iterator[dict[str, Any]]:
    """All chapters that have a file."""
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            if chapter["path"]:
                yield chapter
            yield from chapters(chapter["sub_items"])


def main() -> None:
    # mdBook asks whether a renderer is supported: every one is.
    if len(sys.argv) > 1 and sys.argv[1] == "supports":
        return
    context, book = json.load(sys.stdin)
    source = (Path(context["root"]) / context["config"]["book"]["src"]).resolve()
    addresses = context["config"]["preprocessor"]["repository-links"]
    # `source_path` is the file; `path` may be another one (README.md becomes index.md).
    titles = {chapter["source_path"]: chapter["name"] for chapter in chapters(book["items"])}
    for chapter in chapters(book["items"]):
        page = source / chapter["source_path"]
        chapter["content"] = rewrite(chapter["content"], page, source.parent, addresses, titles)
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()
