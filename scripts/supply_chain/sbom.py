"""SBOMs: one CycloneDX file for each program. cargo-cyclonedx lists the crates; parts and Debian packages are added."""

import json
import subprocess
import uuid
from pathlib import Path
from urllib.parse import quote

from .debian import Package, packages
from .parts import Part, Parts, sha256
from .project import ROOT, Failed, Program, Workspace

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/inspectd/inspectd")


def _crates(workspace: Workspace) -> dict[str, dict]:
    """What cargo-cyclonedx finds: a document by the name of the program. It writes its files next to the manifests."""
    written = {program.name: ROOT / program.folder / f"{program.name}_bin.cdx.json" for program in workspace.programs()}
    command = ["cargo", "cyclonedx", "--format", "json", "--spec-version", "1.5", "--describe", "binaries"]
    command += ["--no-build-deps", "--target", workspace.target, "-qq"]
    try:
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode != 0:
            raise Failed("cargo cyclonedx failed")
        return {name: json.loads(path.read_text()) for name, path in written.items()}
    finally:
        for path in ROOT.rglob("*_bin.cdx.json"):
            if not path.is_relative_to(ROOT / "target"):
                path.unlink()


def _without_folders(value: object) -> object:
    """Replaces the absolute folder of the sources in references."""
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    if isinstance(value, str):
        return value.replace(f"path+file://{ROOT}", "inspectd:")
    return value


def _license(part: Part) -> list[dict]:
    if part.licence_name:
        return [{"license": {"name": part.licence_name}}]
    return [{"expression": part.licence}]


def _part(part: Part) -> dict:
    component: dict = {"type": part.kind, "bom-ref": f"part:{part.name}", "name": part.name, "description": part.how}
    if part.version:
        component["version"] = part.version
    component["scope"] = "required"
    component["licenses"] = _license(part)
    if part.purl:
        component["purl"] = part.purl
    if part.files:
        component["components"] = [
            {
                "type": "file",
                "bom-ref": f"part:{part.name}/{file.name}",
                "name": file.name,
                "hashes": [{"alg": "SHA-256", "content": sha256(file)}],
            }
            for file in part.files
        ]
    return component


def _package(package: Package) -> dict:
    version = quote(package.version, safe=".:~-")
    component: dict = {
        "type": "library",
        "bom-ref": f"debian:{package.name}",
        "name": package.name,
        "version": package.version,
        "scope": "required",
        "purl": f"pkg:deb/debian/{package.name}@{version}?arch={package.architecture}&distro=bookworm",
        "properties": [
            {"name": "inspectd:provided-by", "value": "Debian; /usr/share/doc/" + package.name + "/copyright"},
            {"name": "inspectd:linked", "value": "by the program" if package.direct else "by another library"},
        ],
    }
    if package.homepage:
        component["externalReferences"] = [{"type": "website", "url": package.homepage}]
    return component


def document(crates: dict, program: Program, built: Path, parts: list[Part]) -> dict:
    """The document of a program: that of cargo-cyclonedx, with parts, Debian packages and the hash of the program."""
    found = _without_folders(crates)
    main = found["metadata"]["component"]
    main["hashes"] = [{"alg": "SHA-256", "content": sha256(built)}]
    debian = packages(built, [file for part in parts for file in part.files if ".so" in file.name])
    added = [_part(part) for part in parts] + [_package(package) for package in debian]
    found["components"] += added
    used = [f"part:{part.name}" for part in parts] + [f"debian:{package.name}" for package in debian if package.direct]
    for entry in found["dependencies"]:
        if entry["ref"] == main["bom-ref"]:
            entry["dependsOn"] = entry.get("dependsOn", []) + used
    found["dependencies"] += [{"ref": component["bom-ref"]} for component in added]
    # The same content has the same number.
    found.pop("serialNumber", None)
    content = json.dumps(found, sort_keys=True)
    return {**found, "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, program.name + content)}"}


def names(document_: dict) -> set[tuple[str, str]]:
    """Name and version of all crates in a document."""
    components = document_["components"]
    return {(c["name"], c["version"]) for c in components if c.get("purl", "").startswith("pkg:cargo/")}


def write(workspace: Workspace, parts: Parts, built: Path, folder: Path) -> list[str]:
    """Writes FOLDER/PROGRAM.cdx.json for each program and returns a line for each.

    # Errors
    A program is not built, or a crate of a program is in no document.
    """
    folder.mkdir(parents=True, exist_ok=True)
    crates = _crates(workspace)
    lines = []
    for program in workspace.programs():
        path = built / program.name
        if not path.is_file():
            raise Failed(f"{path} does not exist: cargo build --release --workspace")
        result = document(crates[program.name], program, path, parts.of(program.name))
        if missing := workspace.crates(program) - names(result):
            raise Failed(f"the SBOM of {program.name} does not list the crates {sorted(missing)}")
        text = json.dumps(result, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        (folder / f"{program.name}.cdx.json").write_text(text)
        kinds = [c["bom-ref"].split(":")[0] for c in result["components"]]
        counts = f"{len(names(result))} crates, {kinds.count('part')} parts, {kinds.count('debian')} Debian packages"
        lines.append(f"{program.name}.cdx.json: {counts}")
    return lines
