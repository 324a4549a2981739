"""Enumerations of the protocol, with the numbers of proto/inspectd/v1."""

from __future__ import annotations

from enum import Enum


class ProtocolEnum(Enum):
    """An enumeration. A number that this version does not know is UNSPECIFIED: a newer daemon may send it."""

    @classmethod
    def _missing_(cls, value: object) -> ProtocolEnum | None:
        return cls(0) if isinstance(value, int) and value != 0 else None

    def __str__(self) -> str:
        return self.name


class Decision(ProtocolEnum):
    """The decision about a frame or a part."""

    UNSPECIFIED = 0
    PASS = 1
    """The part is good."""
    REJECT = 2
    """The part is not good."""
    REVIEW = 3
    """The score is inside the review band: a person should look."""
    FAULT = 4
    """No judgement was possible. Must never be treated as PASS."""


class AnomalyKind(ProtocolEnum):
    """The branch of the model that contributes the larger share of the score."""

    UNSPECIFIED = 0
    STRUCTURAL = 1
    """Scratch, dent, dirt: wrong appearance."""
    LOGICAL = 2
    """Missing, extra, misplaced: wrong composition."""


class FaultReason(ProtocolEnum):
    """The reason why no judgement was possible."""

    UNSPECIFIED = 0
    CAMERA_LOST = 1
    CAMERA_STALLED = 2
    CORRUPT_FRAME = 3
    WRONG_SIZE = 4
    OVERFLOW = 5
    ENGINE = 6
    SHUTDOWN = 7
    DEADLINE_MISSED = 8
    JOURNAL = 9
    MISSING_VIEW = 10
    FROZEN = 11
    DARK = 12
    SATURATED = 13
    BLURRED = 14
    VIEW_MOVED = 15
    NOTHING_INSPECTED = 16
    CAMERA_SETTINGS = 17
    OUT_OF_STEP = 18
    CAMERA_PAUSED = 19
    CHALLENGE_FAILED = 20


class GapReason(ProtocolEnum):
    """Why verdicts are missing in a stream."""

    UNSPECIFIED = 0
    """This client read too slowly, and the verdicts are not in a journal."""
    LOST = 1
    """They were in a journal that was damaged, moved away or replaced."""


class LabelKind(ProtocolEnum):
    """What a person says of a part."""

    UNSPECIFIED = 0
    """No label."""
    GOOD = 1
    DEFECTIVE = 2
    UNSURE = 3
    """The person is not sure."""


class LineState(ProtocolEnum):
    """The state of the inspection as a whole."""

    UNSPECIFIED = 0
    STARTING = 1
    RUNNING = 2
    """All cameras deliver frames."""
    DEGRADED = 3
    """The line runs, but something needs a person: see the cameras and the alarms."""
    STOPPING = 4


class CameraState(ProtocolEnum):
    """The state of a camera."""

    UNSPECIFIED = 0
    OPENING = 1
    RUNNING = 2
    WAITING = 3
    """Lost or stalled; will be opened again after a pause."""
    ENDED = 4
    """Reached the end of its file or folder."""
    PAUSED = 5
