"""The classes have the fields and values of the protocol, and both clients have the same methods."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import traceback
from pathlib import Path

import pytest
from harness import ROOT

import inspectd
from inspectd import _enums, _status, _verdict, aio
from inspectd._convert import convert
from inspectd.v1 import inspection_pb2, line_pb2, recipe_pb2, verdict_pb2

MODULES = (verdict_pb2, inspection_pb2, line_pb2, recipe_pb2)

CLASSES = [
    kind
    for module in (_verdict, _status)
    for kind in vars(module).values()
    if dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
]

ENUMERATIONS = [
    kind for kind in vars(_enums).values() if isinstance(kind, type) and issubclass(kind, _enums.ProtocolEnum)
]


def of_protocol(name):
    return next(getattr(module, name) for module in MODULES if hasattr(module, name))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_class_has_the_fields_of_its_message(kind):
    expected = [field.name for field in of_protocol(kind.__name__).DESCRIPTOR.fields]
    assert sorted(field.name.rstrip("_") for field in dataclasses.fields(kind)) == sorted(expected)


@pytest.mark.parametrize("kind", [kind for kind in ENUMERATIONS if kind is not _enums.ProtocolEnum])
def test_enumeration_has_the_numbers_of_the_protocol(kind):
    descriptor = of_protocol(kind.__name__).DESCRIPTOR
    prefix = "".join(f"_{letter}" if letter.isupper() else letter for letter in kind.__name__)[1:].upper() + "_"
    assert {f"{prefix}{one.name}": one.value for one in kind} == {
        value.name: value.number for value in descriptor.values
    }


def test_number_that_is_not_known_is_unspecified():
    assert _enums.FaultReason(900) is _enums.FaultReason.UNSPECIFIED
    assert inspectd.Decision(900) is not inspectd.Decision.PASS


def test_answer_without_a_field_that_is_always_set_is_an_error():
    with pytest.raises(inspectd.IncompleteAnswer, match="Verdict.capture_time"):
        convert(inspectd.Verdict, verdict_pb2.Verdict())


def test_wheel_has_the_version_of_the_workspace_stubs_and_types():
    folder = Path(inspectd.__file__).parent
    # The wheel is under test, not the source folder.
    assert ROOT / "clients" not in folder.parents
    assert f'[workspace.package]\nversion = "{inspectd.__version__}"\n' in (ROOT / "Cargo.toml").read_text()
    assert (folder / "py.typed").exists()
    protos = {path.stem for path in (ROOT / "proto/inspectd/v1").glob("*.proto")}
    for ending in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi"):
        assert {path.name.removesuffix(ending) for path in folder.glob(f"v1/*{ending}")} == protos


def test_error_is_shown_by_the_name_under_which_it_is_caught():
    error = pickle.loads(pickle.dumps(inspectd.Unavailable("stopping")))
    assert traceback.format_exception_only(error) == ["inspectd.Unavailable: stopping\n"]
    refused = inspectd.NotFound("NOT_FOUND", "camera x", inspectd.ErrorDetails())
    assert traceback.format_exception_only(refused) == ["inspectd.NotFound: NOT_FOUND: camera x\n"]


def test_decision_is_printed_by_its_name():
    assert f"{inspectd.Decision.REJECT}" == "REJECT"


def test_both_clients_have_the_same_methods_with_the_same_arguments():
    def arguments(client):
        methods = inspect.getmembers(client, lambda member: inspect.isfunction(member))
        return {
            name.replace("__a", "__"): [
                (one.name, one.default, one.kind) for one in inspect.signature(method).parameters.values()
            ]
            for name, method in methods
            if not name.startswith("_") or name == "__init__"
        }

    blocking, asynchronous = arguments(inspectd.Client), arguments(aio.Client)
    assert blocking == asynchronous
    assert {"verdicts", "trigger", "inspect", "evidence", "status", "label"} <= blocking.keys()
    public = {name for name in vars(inspectd.VerdictStream) if not name.startswith("_")}
    assert public == {name for name in vars(aio.VerdictStream) if not name.startswith("_")}
