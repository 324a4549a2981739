#!/usr/bin/env python3
"""Checks the modules of the workspace; `make lint` runs it.

    scripts/check_modules.py

1. Files of one package do not import each other in a circle. A file may import from the module that contains
   it: the two are one module.
2. Modules of the daemon import only modules that stand above them in `src/lib.rs`.
3. A crate that wraps a part of the system is named only where ARCHITECTURE.md allows it.

Imports are read as text: `use` declarations and paths that begin with `crate::`, `self::` or `super::`. Test
modules are left out. Exit codes: 0 all rules hold, 1 otherwise.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [
    "crates/core/src",
    "crates/engine/src",
    "crates/simulator/src",
    "crates/client/src",
    "crates/client/src/bin/inspectctl",
    "crates/forward/src",
    "crates/gateway/src",
    "crates/kserve/src",
    "crates/opcua/src",
    "crates/plc/src",
    "src",
    "src/bin/inspectd",
    "training/src",
]

# A crate, the folders and files that may name it, and why no other may.
WRAPPED = {
    "opencv": (["src/camera/"], "cameras are opened only in camera/"),
    "tonic": (["src/grpc/", "src/bin/inspectd/bench/", "crates/client/", "crates/kserve/"], "gRPC is spoken only in grpc/"),
    "inspectd_kserve": (["src/pipeline/remote/", "crates/kserve/"], "servers that run models are spoken to only in remote/"),
    "inspectd_client": (["src/grpc/", "src/bin/inspectd/bench/", "crates/client/", "crates/forward/", "crates/gateway/", "crates/opcua/", "crates/plc/"], "generated types stay in grpc/"),
    "opcua": (["crates/opcua/src/"], "OPC UA is spoken only by inspectd-opcua"),
    "tokio_modbus": (["crates/plc/src/server.rs", "crates/plc/src/live.rs"], "Modbus is spoken only in two files"),
    "rusqlite": (["src/journal/", "src/audit/"], "SQLite is used only by the journal and the audit log"),
    "axum": (["src/http/", "src/daemon/", "crates/forward/src/status/"], "HTTP is spoken only in http/ and status/"),
    "opentelemetry": (["src/telemetry/"], "spans are made only in telemetry/"),
    "opentelemetry_sdk": (["src/telemetry/"], "spans are made only in telemetry/"),
    "opentelemetry_otlp": (["src/telemetry/"], "spans are sent only by telemetry/"),
    "ort": (["crates/engine/"], "ONNX Runtime is used only by inspectd-engine"),
    "tch": (["training/"], "libtorch is used only by the trainer"),
    "torch_sys": (["training/src/torch.rs"], "libtorch's C interface is used only in torch.rs"),
}

USE = re.compile(r"\b(?:pub(?:\([a-z: ]+\))? )?use ([^;]+);")
PATH = re.compile(r"\b((?:crate|self|super)(?:::\w+)+)")


def strip_tests(text):
    """The text without comments and without modules behind `#[cfg(test)]`."""
    text = re.sub(r"//[^\n]*", "", text)
    while match := re.search(r"#\[cfg\(test\)\]\s*(?:pub(?:\([a-z: ]+\))? )?mod \w+ \{", text):
        depth, end = 1, match.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[: match.start()] + text[end:]
    return text


def expand(tree):
    """The single paths of a use tree such as `a::{b, c::{d, e as f}}`."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        yield tree.split(" as ")[0].strip()
        return
    head, body = tree[:brace], tree[brace + 1 : tree.rindex("}")]
    depth, item = 0, ""
    for character in body + ",":
        if character == "," and depth == 0:
            if item.strip():
                for rest in expand(item):
                    yield head.strip() if rest == "self" else head.strip() + rest
            item = ""
            continue
        depth += {"{": 1, "}": -1}.get(character, 0)
        item += character


class Package:
    """The modules of one package, by path such as `pipeline::publisher`."""

    def __init__(self, folder):
        self.folder = ROOT / folder
        self.files, self.texts, self.reexports = {}, {}, {}
        nested = [ROOT / other for other in PACKAGES if other.startswith(folder + "/")]
        for file in sorted(self.folder.rglob("*.rs")):
            relative = file.relative_to(self.folder)
            if "tests" in relative.with_suffix("").parts or any(other in file.parents for other in nested):
                continue
            parts = list(relative.with_suffix("").parts)
            if parts[-1] in ("mod", "lib", "main"):
                parts.pop()
            name = "::".join(parts)
            self.files[name] = file
            self.texts[name] = strip_tests(file.read_text())
        for name, text in self.texts.items():
            self.reexports[name] = self._reexports(name, text)

    def _reexports(self, name, text):
        found = {}
        for tree in re.findall(r"\bpub(?:\([a-z: ]+\))? use ([^;]+);", text):
            for path in expand(tree):
                parts = path.split("::")
                if parts[0] in ("self", "crate", "super"):
                    target = self.resolve(name, path)
                else:
                    target = self._longest(([*name.split("::")] if name else []) + parts[:-1])
                if target is not None and target != name:
                    found[parts[-1]] = target
        return found

    def _longest(self, parts):
        """The module with the longest path that `parts` begins with."""
        for end in range(len(parts), -1, -1):
            if (name := "::".join(parts[:end])) in self.files:
                return name
        return None

    def resolve(self, module, path):
        """The module that `path`, written in `module`, names something of."""
        here = module.split("::") if module else []
        parts = path.split("::")
        while parts and parts[0] in ("crate", "self", "super"):
            word = parts.pop(0)
            here = [] if word == "crate" else here[:-1] if word == "super" else here
        target = self._longest(here + parts)
        if target is None:
            return None
        rest = (here + parts)[len(target.split("::")) if target else 0 :]
        if rest and (other := self.reexports.get(target, {}).get(rest[0])):
            return other
        return target

    def imports(self, module):
        """The modules that `module` imports from."""
        text, found = self.texts[module], set()
        children = {name.rsplit("::", 1)[-1] for name in self.files if name.rpartition("::")[0] == module and name}
        for tree in USE.findall(text):
            for path in expand(tree):
                first = path.split("::")[0]
                if first in children:
                    path = "self::" + path
                elif first not in ("crate", "self", "super"):
                    continue
                found.add(self.resolve(module, path))
        found.update(self.resolve(module, path) for path in PATH.findall(USE.sub("", text)))
        return found - {module, None}


def cycles(graph):
    """The strongly connected components of more than one module (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def circles():
    for folder in PACKAGES:
        package = Package(folder)
        contains = lambda outer, inner: not outer or inner.startswith(outer + "::")
        graph = {
            name: {other for other in package.imports(name) if not contains(other, name)}
            for name in package.files
        }
        for component in cycles(graph):
            files = ", ".join(str(package.files[name].relative_to(ROOT)) for name in component)
            yield f"these files import each other in a circle: {files}"


def layers():
    order = re.findall(r"^pub mod (\w+);", (ROOT / "src/lib.rs").read_text(), re.M)
    package = Package("src")
    for module in package.files:
        top = module.split("::")[0]
        if top not in order:
            continue
        for other in package.imports(module):
            above = other.split("::")[0]
            if above in order and order.index(above) > order.index(top):
                file = package.files[module].relative_to(ROOT)
                yield f"{file} imports {above}, which stands below {top} in src/lib.rs"


def wrapped():
    for folder in ["src", "crates", "training/src"]:
        for file in sorted((ROOT / folder).rglob("*.rs")):
            relative = str(file.relative_to(ROOT))
            if "/tests" in relative:
                continue
            text = strip_tests(file.read_text())
            for crate, (allowed, reason) in WRAPPED.items():
                named = re.search(rf"(?<![\w:]){crate}::", text)
                if named and not any(relative.startswith(place) for place in allowed):
                    yield f"{relative} names {crate}: {reason}"


def main():
    faults = [*circles(), *layers(), *wrapped()]
    for fault in faults:
        print(f"check_modules: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
