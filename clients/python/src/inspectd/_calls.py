"""The calls as values: a method, a request, and how the answer is read. Both clients send them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from inspectd.v1 import inspection_pb2 as inspection
from inspectd.v1 import line_pb2 as line
from inspectd.v1 import verdict_pb2

from ._convert import convert, part, timestamp
from ._enums import Decision, LabelKind
from ._evidence import Evidence, ImageFormat, Picture
from ._status import Camera, Status
from ._verdict import Consumer, Label, Outline, Verdict

T = TypeVar("T")

_INSPECTION = "/inspectd.v1.InspectionService/"
_LINE = "/inspectd.v1.LineService/"

STREAM_VERDICTS = f"{_INSPECTION}StreamVerdicts"

# The most entries of a page.
_LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A call with one request and one answer."""

    method: str
    request: Message
    answer: type[Message]
    read: Callable[[Any], T]
    """Converts the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerResult:
    """The answer to a trigger."""

    trigger_id: str
    """The id of the request, a UUID; also in the verdict."""
    repeated: bool
    """Whether the request was made before, with the same idempotency key."""
    verdict: Verdict | None
    """None: not available yet."""
    idempotency_key: str
    """The key of the request. Empty: none."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list."""

    entries: tuple[T, ...]
    next_token: str
    """Empty: this is the last page."""


def status() -> Call[Status]:
    return Call(
        f"{_LINE}GetStatus",
        line.GetStatusRequest(),
        line.GetStatusResponse,
        lambda answer: part(Status, answer, "status"),
    )


def newest() -> Call[int | None]:
    """The newest sequence of the journal; None without a journal."""

    def read(answer: line.GetStatusResponse) -> int | None:
        return answer.status.sequence if answer.status.HasField("journal") else None

    return Call(f"{_LINE}GetStatus", line.GetStatusRequest(), line.GetStatusResponse, read)


def cameras() -> Call[tuple[Camera, ...]]:
    return Call(
        f"{_LINE}ListCameras",
        line.ListCamerasRequest(),
        line.ListCamerasResponse,
        lambda answer: tuple(convert(Camera, one) for one in answer.cameras),
    )


def acknowledge(consumer: str, sequence: int) -> Call[Consumer]:
    return Call(
        f"{_INSPECTION}AcknowledgeVerdicts",
        inspection.AcknowledgeVerdictsRequest(consumer=consumer, sequence=sequence),
        inspection.AcknowledgeVerdictsResponse,
        lambda answer: part(Consumer, answer, "consumer"),
    )


def consumers() -> Call[tuple[Consumer, ...]]:
    return Call(
        f"{_INSPECTION}ListConsumers",
        inspection.ListConsumersRequest(),
        inspection.ListConsumersResponse,
        lambda answer: tuple(convert(Consumer, one) for one in answer.consumers),
    )


def forget_consumer(consumer: str) -> Call[None]:
    return Call(
        f"{_INSPECTION}ForgetConsumer",
        inspection.ForgetConsumerRequest(consumer=consumer),
        inspection.ForgetConsumerResponse,
        lambda _: None,
    )


def trigger(
    camera: str | None,
    group: str | None,
    part_id: str,
    client_data: bytes,
    recipe: str,
    recipe_sha256: str,
    idempotency_key: str,
    wait: bool,
) -> Call[TriggerResult]:
    if (camera is None) == (group is None):
        raise ValueError("either camera or group must be given")
    request = inspection.TriggerInspectionRequest(
        part_id=part_id,
        client_data=client_data,
        recipe_id=recipe,
        recipe_sha256=recipe_sha256,
        idempotency_key=idempotency_key,
        wait=wait,
    )
    if camera is not None:
        request.camera_id = camera
    else:
        request.group_id = group or ""

    def read(answer: inspection.TriggerInspectionResponse) -> TriggerResult:
        return TriggerResult(
            trigger_id=answer.trigger_id,
            repeated=answer.repeated,
            verdict=convert(Verdict, answer.verdict) if answer.HasField("verdict") else None,
            idempotency_key=idempotency_key,
        )

    return Call(f"{_INSPECTION}TriggerInspection", request, inspection.TriggerInspectionResponse, read)


def inspect(image: bytes | inspection.RawImage, camera: str) -> Call[Verdict]:
    request = inspection.InspectImageRequest(camera_id=camera)
    if isinstance(image, bytes):
        request.encoded = image
    else:
        request.raw.CopyFrom(image)
    return Call(
        f"{_INSPECTION}InspectImage",
        request,
        inspection.InspectImageResponse,
        lambda answer: part(Verdict, answer, "verdict"),
    )


def evidence(sequence: int, image_format: ImageFormat, side_limit: int) -> Call[Evidence]:
    def read(answer: inspection.GetEvidenceResponse) -> Evidence:
        return Evidence(
            verdict=part(Verdict, answer, "verdict"),
            frame=Picture(answer.frame) if answer.frame else None,
            heatmap=Picture(answer.heatmap) if answer.heatmap else None,
        )

    request = inspection.GetEvidenceRequest(
        sequence=sequence,
        format=inspection.ImageFormat.Value(f"IMAGE_FORMAT_{image_format.upper()}"),
        side_limit=side_limit,
    )
    return Call(f"{_INSPECTION}GetEvidence", request, inspection.GetEvidenceResponse, read)


def label(sequence: int, kind: LabelKind, defect_class: str, outlines: Iterable[Outline]) -> Call[Label | None]:
    request = inspection.LabelVerdictRequest(
        sequence=sequence, kind=inspection.LabelKind.Value(f"LABEL_KIND_{kind.name}"), defect_class=defect_class
    )
    for outline in outlines:
        corners = request.outlines.add().corners
        for corner in outline.corners:
            corners.add(x=corner.x, y=corner.y)
    return Call(
        f"{_INSPECTION}LabelVerdict",
        request,
        inspection.LabelVerdictResponse,
        lambda answer: convert(Label, answer.label) if answer.HasField("label") else None,
    )


def labels(token: str, sequences: Iterable[int] = ()) -> Call[Page[Label]]:
    return Call(
        f"{_INSPECTION}ListLabels",
        inspection.ListLabelsRequest(sequences=sequences, page_size=_LARGEST_PAGE, page_token=token),
        inspection.ListLabelsResponse,
        lambda answer: Page(tuple(convert(Label, one) for one in answer.labels), answer.next_page_token),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictQuery:
    """A filter of stored verdicts, for `Client.stored_verdicts`. An empty or unset field restricts nothing."""

    cameras: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    part_id: str = ""
    recipe: str = ""
    min_score: float | None = None
    from_time: datetime | None = None
    """Journalled at or after this time."""
    to_time: datetime | None = None
    """Journalled before this time."""
    from_sequence: int = 0
    to_sequence: int = 0
    """0: up to the newest."""
    oldest_first: bool = False
    page_size: int = 100
    """Verdicts that are read at a time, 1 to 1000."""


def stored_verdicts(query: VerdictQuery, token: str) -> Call[Page[Verdict]]:
    request = inspection.ListVerdictsRequest(
        camera_ids=query.cameras,
        decisions=[verdict_pb2.Decision.Value(f"DECISION_{one.name}") for one in query.decisions],
        part_id=query.part_id,
        recipe_id=query.recipe,
        min_score=query.min_score,
        from_sequence=query.from_sequence,
        to_sequence=query.to_sequence,
        page_size=query.page_size,
        page_token=token,
        order=inspection.SORT_ORDER_OLDEST_FIRST if query.oldest_first else inspection.SORT_ORDER_NEWEST_FIRST,
    )
    if query.from_time is not None:
        request.from_time.CopyFrom(timestamp(query.from_time, "from_time"))
    if query.to_time is not None:
        request.to_time.CopyFrom(timestamp(query.to_time, "to_time"))
    return Call(
        f"{_INSPECTION}ListVerdicts",
        request,
        inspection.ListVerdictsResponse,
        lambda answer: Page(tuple(convert(Verdict, one) for one in answer.verdicts), answer.next_page_token),
    )
