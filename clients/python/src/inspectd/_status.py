"""The state of the line. The fields are those of the messages in proto/inspectd/v1/line.proto; times are in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ._enums import CameraState, LineState
from ._verdict import Model, RecipeTag


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCounts:
    """Verdicts by decision."""

    # `pass` is a keyword.
    pass_: int
    reject: int
    review: int
    fault: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCounts:
    """Frames of a camera since the start of the daemon."""

    captured: int
    judged: int
    skipped: int
    faulted: int
    late: int
    lost: int
    """Lost by the driver before they were captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPause:
    """Why a camera is paused."""

    who: str
    reason: str
    since_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDrift:
    """The comparison of recent scores with those of the model's validation images."""

    time: datetime
    references: int
    distance: float
    p_value: float
    shift: float
    drifting: bool
    learned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A camera."""

    id: str
    source: str
    """`device`, `url`, `gstreamer`, `file`, `folder` or `simulator`."""
    state: CameraState
    simulated: bool
    triggered: bool
    width: int
    height: int
    frames: FrameCounts
    decisions: DecisionCounts
    queued: int
    opened: int
    last_error: str
    """For people. Empty: none since the start."""
    last_error_time: datetime | None
    last_frame_time: datetime | None
    frames_per_second: float
    pause: CameraPause | None
    drift: ScoreDrift | None
    shift_decisions: DecisionCounts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The inference engine."""

    provider: str
    requested_provider: str
    fallback_reason: str
    runtime_version: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The active configuration."""

    generation: int
    hash: str
    loaded_time: datetime | None
    last_reload_error: str
    last_reload_error_time: datetime | None
    restart_required_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The journal."""

    oldest_sequence: int
    """The oldest sequence that is kept; greater than the newest one if none is kept."""
    unjournalled: int
    trouble: str
    """Why verdicts cannot be journalled now. Empty: journalling works."""
    trouble_time: datetime | None
    consumers: int
    most_pending: int
    evidence_kept: int
    evidence_bytes: int
    evidence_missed: int
    epoch: int
    wal_bytes: int
    """Size of the write-ahead log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Set while an engineer works at the daemon's machine."""

    who: str
    reason: str
    since_time: datetime
    until_time: datetime | None
    """None: until it is released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A state that needs a person, until it is over."""

    kind: str
    subject: str
    message: str
    since_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeResult:
    """The result of judging pictures of known parts."""

    time: datetime
    passed: bool
    error: str
    good: int
    false_rejects: int
    defective: int
    misses: int
    failures: tuple[str, ...]
    model: Model | None
    recipe: RecipeTag | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A shift of the line."""

    start_time: datetime
    end_time: datetime
    decisions: DecisionCounts
    counting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of the line, the model, the engine, the journal and the cameras."""

    state: LineState
    run_id: str
    version: str
    """The version of the daemon."""
    start_time: datetime
    uptime: timedelta
    model: Model
    threshold: float
    engine: Engine
    configuration: Configuration
    cameras: tuple[Camera, ...]
    sequence: int
    """The newest verdict; 0: none yet."""
    decisions: DecisionCounts
    streams: int
    missed_by_slow_clients: int
    journal: Journal | None
    """None: not configured."""
    late_views: int
    recipe: RecipeTag | None
    lock: Lock | None
    alarms: tuple[Alarm, ...]
    challenge: ChallengeResult | None
    shift: Shift | None
