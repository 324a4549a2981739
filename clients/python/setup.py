"""The parts of the build that pyproject.toml cannot state: the version, and the stubs.

The version is that of the workspace, in Cargo.toml. The stubs are generated from proto/ into the build: they are in the
wheel, not in the source folder.
"""

import re
import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc
from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
# Where the plugins of mypy-protobuf are: next to the interpreter, or in the folder of `pip install --target`.
PLUGIN_FOLDERS = (Path(sys.executable).parent, Path(grpc_tools.__file__).parents[1] / "bin")
PLUGINS = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")


def workspace_version() -> str:
    """The version in the table [workspace.package]."""
    table = (ROOT / "Cargo.toml").read_text().split("[workspace.package]", 1)[1]
    found = re.search(r'^version = "([0-9]+\.[0-9]+\.[0-9]+)"$', table, re.MULTILINE)
    if found is None:
        sys.exit(f"{ROOT / 'Cargo.toml'}: [workspace.package] has no version such as 1.2.3")
    return found[1]


def plugin_arguments(name: str) -> str:
    """The argument that names the program of a plugin."""
    for folder in PLUGIN_FOLDERS:
        if (folder / name).exists():
            return f"--plugin={name}={folder / name}"
    sys.exit(f"{name} is not in {' or '.join(map(str, PLUGIN_FOLDERS))}: install mypy-protobuf")


def generate(target: Path) -> None:
    """Writes inspectd/v1/*_pb2.py, *_pb2_grpc.py and a .pyi for each to `target`.

    The protos are in inspectd/v1/, so the generated modules import each other as `inspectd.v1`, where they are.
    """
    protos = sorted(PROTO.glob("inspectd/v1/*.proto"))
    if not protos:
        sys.exit(f"{PROTO}/inspectd/v1 has no .proto files: build from a checkout of the whole project")
    outputs = ("python", "grpc_python", "mypy", "mypy_grpc")
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTO}",
            f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
            *map(plugin_arguments, PLUGINS),
            # Without a message for each file.
            *(f"--{output}_opt=quiet" for output in outputs if output.startswith("mypy")),
            *(f"--{output}_out={target}" for output in outputs),
            *map(str, protos),
        ]
    )
    if status != 0:
        sys.exit(f"protoc exited with {status}")


class BuildWithStubs(build_py):
    """Copies the modules, and generates the stubs next to them."""

    def run(self) -> None:
        super().run()
        generate(Path(self.build_lib))


setup(version=workspace_version(), cmdclass={"build_py": BuildWithStubs})
