"""Validates SBOMs against the schema of CycloneDX, with the package cyclonedx-python-lib."""

from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from .project import Failed


def validate(folder: Path) -> int:
    """Validates all files of a folder and returns their number.

    # Errors
    A file does not follow the schema, or the folder has none.
    """
    files = sorted(folder.glob("*.cdx.json"))
    if not files:
        raise Failed(f"{folder} contains no SBOM")
    validator = JsonStrictValidator(SchemaVersion.V1_5)
    for path in files:
        if error := validator.validate_str(path.read_text()):
            raise Failed(f"{path.name} does not follow the schema of CycloneDX 1.5: {str(error.data)[:2000]}")
    return len(files)
