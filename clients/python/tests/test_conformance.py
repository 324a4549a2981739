"""The rules of docs/conformance.md, checked by `inspectctl conformance`."""

from __future__ import annotations

import subprocess
import sys

from harness import ROOT, inspectd

PROGRAM = ROOT / "clients/python/examples/conformance.py"
# The suite takes half a minute alone.
LIMIT_S = 300


def test_client_passes_the_conformance_suite() -> None:
    inspectctl = inspectd().with_name("inspectctl")
    assert inspectctl.exists(), f"{inspectctl} does not exist: run cargo build --workspace"
    # The interpreter of the environment in which the wheel is installed.
    command = [str(inspectctl), "conformance", "--", sys.executable, str(PROGRAM), "{address}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert result.returncode == 0, result.stdout + result.stderr
