"""A verdict and what belongs to it. The fields are those of the messages in proto/inspectd/v1.

Values that a verdict does not have are None, not 0: the score of a FAULT cannot be mistaken for a good one. Times are
in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ._enums import AnomalyKind, Decision, FaultReason, GapReason, LabelKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The reason why no judgement was possible."""

    reason: FaultReason
    message: str
    """A description for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in fractions of the inspected frame (after rotation and crop), 0 to 1, from its top left corner."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A defect: a connected component of the map above the threshold."""

    box: Box
    area: float
    """Fraction of the frame, 0 to 1."""
    peak: float
    """The largest value of the map inside it, on the scale of the score."""
    kind: AnomalyKind
    region: str
    """The recipe region that contains it. Empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionScore:
    """The result for one part of the frame: a recipe region, or the rest of the frame."""

    region: str
    """The name of the recipe region. Empty: the rest of the frame."""
    value: float | None
    threshold: float
    review_from: float | None
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The score of a frame and the threshold that it is compared with. Only scores of the same model are comparable."""

    value: float
    structural: float
    """The share of the structural branch."""
    logical: float
    """The share of the logical branch; the two shares add up to the value."""
    threshold: float
    """Scores above it are REJECT."""
    review_from: float | None
    """Scores from here to the threshold are REVIEW. None: no review band."""
    dominant: AnomalyKind
    decided_by: str
    """The deciding recipe region. Empty: the rest of the frame."""
    highest: float
    regions: tuple[RegionScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model."""

    name: str
    version: str
    sha256: str
    precision: str
    """`f32` or `int8`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """The durations between capture and verdict. None: the frame did not reach the stage."""

    queue: timedelta | None
    preprocess: timedelta | None
    inference: timedelta | None
    judge: timedelta | None
    total: timedelta | None
    """From capture until the verdict was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeTag:
    """A recipe."""

    id: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One camera's share of the verdict of a part."""

    camera_id: str
    sequence: int
    frame_id: int
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result for one frame, for a camera that cannot deliver a frame, or for a part with several views."""

    sequence: int
    """Increases from one verdict to the next, and is never used again. 0: the verdict could not be journalled."""
    run_id: str
    """The run of the daemon, a UUID."""
    camera_id: str
    """Empty for an image that a client sent, and for a part with several views."""
    frame_id: int
    """Counts the captured frames of the camera. 0: no frame, or an image that a client sent."""
    capture_time: datetime
    capture_monotonic: timedelta
    """The time of the capture, since the start of the daemon."""
    decision: Decision
    score: Score | None
    """None without a judgement, and for a part with several views."""
    fault: Fault | None
    """The reason why no judgement was possible."""
    regions: tuple[Region, ...]
    """The defects, largest peak first."""
    model: Model
    config_hash: str
    provider: str
    """`cpu`, `cuda` or `openvino`, or `kserve` for a server."""
    simulated: bool
    """The frame is rendered by the simulator."""
    timings: Timings
    batch_size: int
    width: int
    """Of the inspected frame, pixels; 0 without a frame."""
    height: int
    source_item: str
    """The path of the file that the frame was read from. Empty: no name."""
    truth: str
    """The defect of a rendered part, `good` if it has none. Empty: not known."""
    part_id: str
    client_data: bytes
    """The client data of the trigger."""
    trigger_id: str
    group_id: str
    views: tuple[View, ...]
    """For a part: its views, by camera. Empty for a frame."""
    record_time: datetime
    """When the verdict was journalled; without a journal, published."""
    evidence_kept: bool
    recipe: RecipeTag | None
    unconfirmed: bool
    """The daemon was killed before it knew that the verdict was published like this: a client may have received it as a
    FAULT with the reason JOURNAL, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Verdicts that a stream cannot deliver."""

    missed: int
    """The number of verdicts, including those that do not match the filter. For lost verdicts, an upper limit."""
    reason: GapReason
    first_sequence: int
    """If they were lost with the journal: the first of their sequences. Otherwise 0."""
    last_sequence: int
    """If they were lost with the journal: the last of their sequences. Otherwise 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Shows that a stream is alive: sent when it opens, and when there was nothing else to send for an interval."""

    time: datetime
    sequence: int
    """The newest verdict; 0: none yet."""
    run_id: str
    epoch: int
    """The number of the journal; 0: no journal."""
    interval: timedelta | None
    """The time after which the next heartbeat is sent, if there is nothing else to send. None: a daemon of version 0.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A client that acknowledges verdicts."""

    name: str
    acknowledged: int
    """It has all verdicts up to this sequence."""
    acknowledge_time: datetime | None
    pending: int
    """The number of sequences after it."""
    lag: timedelta | None
    """How long the oldest pending verdict has been waiting. None: none is pending."""
    lost: int
    """The number of pending verdicts that were removed."""
    connected: bool
    client: str
    """The client that it belongs to. Empty: a client without a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corner:
    """A point of the inspected frame, in fractions of its width and height."""

    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The outline of a defect: 3 to 64 corners."""

    corners: tuple[Corner, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a person says of the part of a verdict."""

    sequence: int
    kind: LabelKind
    defect_class: str
    """Such as `scratch`. Empty: not stated."""
    author: str
    time: datetime
    outlines: tuple[Outline, ...]
