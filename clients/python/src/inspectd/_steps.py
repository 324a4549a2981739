"""The inputs of a session, its commands for the driver, and what the loop receives."""

from __future__ import annotations

from dataclasses import dataclass

from inspectd.v1 import inspection_pb2

from ._errors import InspectdError
from ._verdict import Gap, Heartbeat, Verdict


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream was lost, or could not be opened. It is opened again after a pause."""

    error: InspectdError
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The stream is open again."""


Event = Verdict | Gap | Heartbeat | Disconnected | Reconnected


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream ends with an error."""

    error: InspectdError


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream was closed, or has failed before."""


Outcome = Event | Failed | Finished


# What happens.


@dataclass(frozen=True, slots=True)
class Asked:
    """The loop requests the next event: it has processed all earlier ones."""


@dataclass(frozen=True, slots=True)
class NewestRead:
    """The newest sequence of the journal; None without a journal."""

    connection: int
    sequence: int | None


@dataclass(frozen=True, slots=True)
class Received:
    """A message of a stream."""

    connection: int
    message: inspection_pb2.StreamVerdictsResponse


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream ended, or could not be opened."""

    connection: int
    error: InspectdError


@dataclass(frozen=True, slots=True)
class AcknowledgeRefused:
    """An acknowledgement failed with a permanent error."""

    error: InspectdError


@dataclass(frozen=True, slots=True)
class CloseAsked:
    """The caller closes the stream."""


Input = Asked | NewestRead | Received | Ended | AcknowledgeRefused | CloseAsked


# What the driver has to do.


@dataclass(frozen=True, slots=True)
class ReadNewest:
    """Read the newest sequence of the journal."""

    connection: int


@dataclass(frozen=True, slots=True)
class Open:
    """Open a stream."""

    connection: int
    request: inspection_pb2.StreamVerdictsRequest


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the stream; what it still delivers is ignored."""

    connection: int


Command = ReadNewest | Open | Cancel
