"""The examples of README.md: complete programs run unmodified against the demonstration, the others have correct types."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import PATIENCE_S, ROOT, Daemon, inspectd
from PIL import Image

README = Path(__file__).resolve().parents[1] / "README.md"

BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
# A complete program imports what it uses.
PROGRAMS = [block for block in BLOCKS if re.match(r"import", block)]
SNIPPETS = [block for block in BLOCKS if block not in PROGRAMS]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with the configuration of `make demo`, on free ports."""
    folder = tmp_path_factory.mktemp("demo")
    script = (ROOT / "scripts/demo.sh").read_text()
    configuration = re.search(r"<<TOML\n(.*?)^TOML$", script, re.DOTALL | re.MULTILINE)
    assert configuration is not None
    text = configuration[1]
    # Without optimisation, the daemon of the tests renders 200 parts in more time than a camera may take to open. It renders
    # one part at a time then.
    for name, value in (("$PWD/$OUT", folder), ("$PWD", ROOT), ("$PORT", 0), ("$PAGE_PORT", 0), ("prerender = 200", "")):
        assert name in text, name
        text = text.replace(name, str(value))
    assert "$" not in text, text
    (folder / "inspectd.toml").write_text(text + '\n[log]\nformat = "json"\n')
    with Daemon([str(inspectd()), "--config", str(folder / "inspectd.toml")], folder, {}) as daemon:
        yield daemon


def run(program: str, daemon: Daemon, folder: Path) -> str:
    (folder / "example.py").write_text(program)
    completed = subprocess.run(
        [sys.executable, "example.py"],
        cwd=folder,
        env=os.environ | {"INSPECTD_SERVER": daemon.address},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
    )
    assert completed.returncode == 0, completed.stderr
    assert completed.stderr == ""
    return completed.stdout


def test_example_prints_verdicts_up_to_a_reject_and_saves_its_heatmap(demo, tmp_path):
    lines = run(PROGRAMS[0], demo, tmp_path).splitlines()
    assert re.fullmatch(r"inspectd \d+\.\d+\.\d+ at http://127\.0\.0\.1:\d+", lines[0])
    verdicts = [re.fullmatch(r"(\d+) demo: (PASS|REJECT|REVIEW), score \d\.\d{3}", line) for line in lines[1:-1]]
    assert all(verdicts), lines
    sequences = [int(verdict[1]) for verdict in verdicts if verdict]
    assert sequences == list(range(1, len(sequences) + 1))
    assert [verdict[2] for verdict in verdicts if verdict].index("REJECT") == len(verdicts) - 1
    assert lines[-1] == "reject.png: (256, 256, 3)"
    assert Image.open(tmp_path / "reject.png").size == (256, 256)
    # The second run continues.
    again = run(PROGRAMS[0], demo, tmp_path).splitlines()
    assert again[1].startswith(f"{sequences[-1] + 1} demo: ")


def test_asyncio_example_prints_a_reject(demo, tmp_path):
    assert len(PROGRAMS) == 2
    assert re.fullmatch(r"\d+ demo: [1-9]\d* defects\n", run(PROGRAMS[1], demo, tmp_path))


def test_other_examples_have_correct_types(tmp_path):
    assert len(SNIPPETS) >= 6
    head = "import inspectd\nfrom datetime import datetime\n\n\ndef example{number}(client: inspectd.Client) -> None:\n"
    functions = [
        head.format(number=number) + "".join(f"    {line}\n" for line in block.splitlines())
        for number, block in enumerate(SNIPPETS)
    ]
    for number, text in enumerate(functions):
        (tmp_path / f"snippet_{number}.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / "target/python/mypy")]
    files = sorted(str(path) for path in tmp_path.glob("snippet_*.py"))
    checked = subprocess.run([*command, *files], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
