"""Messages of the protocol to the classes of this package, field by field.

The type of a field decides how it is read: `datetime` is a Timestamp, `timedelta` a Duration, `X | None` a field that
may be unset, `tuple[X, ...]` a repeated one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ._errors import IncompleteAnswer

T = TypeVar("T")

_Read = Callable[[Message], Any]


def convert(kind: type[T], message: Message) -> T:
    """Converts a message to a class with the same field names; a keyword as a name has `_` at its end.

    Raises IncompleteAnswer if a field that is always set is not.
    """
    return kind(**{name: read(message) for name, read in _plan(cast(Hashable, kind))})


def part(kind: type[T], message: Message, name: str) -> T:
    """Converts the message in a field that is always set."""
    if not message.HasField(name):
        raise IncompleteAnswer(name)
    return convert(kind, getattr(message, name))


def timestamp(time: datetime, name: str) -> Timestamp:
    """Converts a time, which must have a time zone."""
    if time.tzinfo is None:
        raise ValueError(f"{name} must have a time zone, such as datetime.now(timezone.utc)")
    result = Timestamp()
    result.FromDatetime(time)
    return result


@lru_cache(maxsize=None)
def _plan(kind: Any) -> tuple[tuple[str, _Read], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, _reader(field.name.rstrip("_"), hints[field.name])) for field in fields(kind))


def _reader(name: str, hint: Any) -> _Read:
    if get_origin(hint) is tuple:
        item = _value(get_args(hint)[0])
        return lambda message: tuple(item(value) for value in getattr(message, name))
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    value = _value(kinds[0] if kinds else hint)
    if kinds:
        return lambda message: value(getattr(message, name)) if message.HasField(name) else None
    if hint in (datetime, timedelta) or is_dataclass(hint):
        return lambda message: value(_required(message, name))
    return lambda message: value(getattr(message, name))


def _required(message: Message, name: str) -> Any:
    if not message.HasField(name):
        raise IncompleteAnswer(f"{message.DESCRIPTOR.name}.{name}")
    return getattr(message, name)


def _value(kind: Any) -> Callable[[Any], Any]:
    """What converts a value of a field."""
    if kind is datetime:
        return lambda value: value.ToDatetime(tzinfo=timezone.utc)
    if kind is timedelta:
        return lambda value: value.ToTimedelta()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if isinstance(kind, type) and is_dataclass(kind):
        message_kind: type[Any] = kind
        return lambda value: convert(message_kind, value)
    return lambda value: value
