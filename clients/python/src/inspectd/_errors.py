"""Why a call or a stream failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Violation:
    """A fault in a request, or a condition that does not hold."""

    place: str
    """The field, or what the condition is about. May be empty."""
    description: str


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """The details of a refusal for programs, from `google.rpc`."""

    violations: tuple[Violation, ...] = ()
    reason: str = ""
    """A constant such as `NOT_KEPT`. Empty: not stated."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Belongs to the reason."""
    retry_after_s: float | None = None


class InspectdError(Exception):
    """A call or a stream failed."""

    transient = False
    """Whether the same call may succeed later, without a change to the client or the daemon."""


class AddressError(InspectdError, ValueError):
    """The text is not the address of a daemon."""


class CredentialsError(InspectdError, ValueError):
    """The certificates or the token cannot be used."""


class IncompleteAnswer(InspectdError):
    """A field that the protocol requires is not set."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the answer of the daemon has no {name}")


class SequencesRestarted(InspectdError):
    """A consumer received a sequence that it had received before, for another verdict.

    The folder of the journal was removed, or the address leads to another daemon. Earlier verdicts that were not received
    are lost. A new call of `Client.verdicts` starts with the oldest verdict.
    """

    def __init__(self, sequence: int) -> None:
        super().__init__(
            f"sequences began again: verdict {sequence} was received before, for another inspection; the journal of the "
            "daemon was removed, or this is another daemon"
        )
        self.sequence = sequence


class Unavailable(InspectdError):
    """The daemon does not answer, is stopping, or the connection was lost."""

    transient = True


class Refused(InspectdError):
    """The daemon refused the call. The subclasses are the codes of gRPC."""

    def __init__(self, code: str, message: str, details: ErrorDetails) -> None:
        lines = [f"{code}: {message}"]
        lines += [f"  {one.place}: {one.description}" for one in details.violations]
        if details.reason:
            pairs = [f"{key} = {value}" for key, value in sorted(details.metadata.items())]
            lines.append("  reason " + ", ".join([details.reason, *pairs]))
        super().__init__("\n".join(lines))
        self.code = code
        """The code of gRPC, such as `NOT_FOUND`."""
        self.message = message
        """For people."""
        self.details = details


class InvalidArgument(Refused):
    """A field of the request is not valid: see `details.violations`."""


class NotFound(Refused):
    """The camera, verdict, evidence or consumer does not exist, or was removed."""


class AlreadyExists(Refused):
    """A trigger with the same idempotency key and other content was made before."""


class Unauthenticated(Refused):
    """The daemon does not know the token or the certificate, or requires one."""


class PermissionDenied(Refused):
    """The role of this client does not permit the call, or the consumer belongs to another client."""

    @property
    def needed_role(self) -> str:
        """The role that the call requires. Empty: the reason is another one."""
        return self.details.metadata.get("needed_role", "")


class FailedPrecondition(Refused):
    """The state of the daemon does not permit the call: no journal is configured, or a camera is not in mode `requested`."""


class OutOfRange(Refused):
    """The verdicts after this position were removed, or do not exist yet."""

    def _sequence(self, key: str) -> int:
        text = self.details.metadata.get(key, "")
        return int(text) if text.isdecimal() else 0

    @property
    def oldest(self) -> int:
        """The oldest sequence that is kept."""
        return self._sequence("oldest_sequence")

    @property
    def newest(self) -> int:
        """The newest sequence."""
        return self._sequence("newest_sequence")


class ResourceExhausted(Refused):
    """A limit is reached: streams, requests, images, or calls per second."""

    transient = True

    @property
    def retry_after_s(self) -> float | None:
        """The time to wait, seconds. None: not stated."""
        return self.details.retry_after_s


class DeadlineExceeded(Refused):
    """The answer did not arrive within the time limit of the call."""

    transient = True


class Aborted(Refused):
    """Another client made a conflicting change, or opened a stream of the same consumer."""


class Cancelled(Refused):
    """The call was cancelled."""

    transient = True


_CLASSES: dict[grpc.StatusCode, type[Refused]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.CANCELLED: Cancelled,
}

# How gRPC reports a connection that broke while the daemon was sending, besides UNAVAILABLE.
_BROKEN = {
    grpc.StatusCode.INTERNAL: ("Received RST_STREAM", "RST_STREAM", "Stream removed"),
    grpc.StatusCode.UNKNOWN: ("Stream removed", "Socket closed"),
}


class RpcFailure(Protocol):
    """What the errors of the blocking and of the asyncio API of gRPC have in common."""

    def code(self) -> grpc.StatusCode | None: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def from_call(address: str, failure: RpcFailure, limit_s: float | None = None) -> InspectdError:
    """Converts the error of a call with this time limit."""
    if failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED and limit_s is not None:
        return DeadlineExceeded("DEADLINE_EXCEEDED", f"{address} did not answer within {limit_s:g} s", ErrorDetails())
    lost = _lost(failure)
    return refused(failure) if lost is None else Unavailable(f"no daemon answers at {address}: {lost}")


def from_stream(failure: RpcFailure) -> InspectdError:
    """Converts the error of a stream."""
    lost = _lost(failure)
    return refused(failure) if lost is None else Unavailable(f"the stream ended: {lost}")


def stream_closed() -> InspectdError:
    """The error of a stream that ended without a status."""
    return Unavailable("the stream ended: the daemon closed it")


def _lost(failure: RpcFailure) -> str | None:
    """Why the connection was lost; None if the daemon refused the call instead."""
    code, text = failure.code(), failure.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE or (code and text.startswith(_BROKEN.get(code, ()))):
        return text or "no reason stated"
    return None


def refused(failure: RpcFailure) -> Refused:
    """Converts a status of the daemon."""
    code = failure.code() or grpc.StatusCode.UNKNOWN
    kind = _CLASSES.get(code, Refused)
    return kind(code.name, failure.details() or "", _details(failure.trailing_metadata() or ()))


def _details(metadata: Iterable[tuple[str, str | bytes]]) -> ErrorDetails:
    packed = next((value for key, value in metadata if key == _DETAILS), b"")
    status = status_pb2.Status()
    try:
        status.ParseFromString(packed if isinstance(packed, bytes) else packed.encode())
    except DecodeError:
        return ErrorDetails()
    violations: list[Violation] = []
    info = error_details_pb2.ErrorInfo()
    retry_after_s = None
    for detail in status.details:
        request = error_details_pb2.BadRequest()
        precondition = error_details_pb2.PreconditionFailure()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(request):
            violations += [Violation(one.field, one.description) for one in request.field_violations]
        elif detail.Unpack(precondition):
            places = [(" ".join(filter(None, (one.type, one.subject))), one) for one in precondition.violations]
            violations += [Violation(place, one.description) for place, one in places]
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
        else:
            detail.Unpack(info)
    return ErrorDetails(tuple(violations), info.reason, dict(info.metadata), retry_after_s)
