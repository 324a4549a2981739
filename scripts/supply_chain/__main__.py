"""Called by scripts/supply_chain.sh."""

import argparse
import sys
from pathlib import Path

from . import licences, sbom
from .parts import Parts
from .project import ROOT, Failed, Workspace, output


def main() -> int:
    """Runs a command and returns the exit code."""
    parser = argparse.ArgumentParser(prog="supply_chain")
    parser.add_argument("command", choices=("licences", "sbom"))
    parser.add_argument("--built", type=Path, required=True, help="folder of the release programs")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    arguments = parser.parse_args()
    try:
        host = output(["rustc", "--print", "host-tuple"]).strip()
        workspace = Workspace(host)
        parts = Parts(workspace)
        if arguments.command == "licences":
            print(licences.write(workspace, parts, arguments.out / "THIRD-PARTY-LICENSES"))
        else:
            from .validate import validate

            folder = arguments.out / "sbom"
            print("\n".join(sbom.write(workspace, parts, ROOT / arguments.built, folder)))
            print(f"{validate(folder)} SBOMs follow the schema of CycloneDX 1.5")
    except Failed as failure:
        print(f"supply_chain: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
