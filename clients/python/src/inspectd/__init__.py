"""Client of the inspection daemon `inspectd`: verdicts, triggers, evidence.

`Client` blocks; `inspectd.aio.Client` has the same methods for asyncio. The README has an example and the
guarantees.
"""

from importlib.metadata import version as _version

from ._backoff import Backoff
from ._calls import TriggerResult, VerdictQuery
from ._client import Client
from ._enums import AnomalyKind, CameraState, Decision, FaultReason, GapReason, LabelKind, LineState
from ._errors import (
    Aborted,
    AddressError,
    AlreadyExists,
    Cancelled,
    CredentialsError,
    DeadlineExceeded,
    ErrorDetails,
    FailedPrecondition,
    IncompleteAnswer,
    InspectdError,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    Refused,
    ResourceExhausted,
    SequencesRestarted,
    Unauthenticated,
    Unavailable,
    Violation,
)
from ._evidence import Evidence, Picture
from ._status import (
    Alarm,
    Camera,
    CameraPause,
    ChallengeResult,
    Configuration,
    DecisionCounts,
    Engine,
    FrameCounts,
    Journal,
    Lock,
    ScoreDrift,
    Shift,
    Status,
)
from ._steps import Disconnected, Event, Reconnected
from ._stream import VerdictStream
from ._verdict import (
    Box,
    Consumer,
    Corner,
    Fault,
    Gap,
    Heartbeat,
    Label,
    Model,
    Outline,
    RecipeTag,
    Region,
    RegionScore,
    Score,
    Timings,
    Verdict,
    View,
)

__version__ = _version("inspectd")

# Tracebacks show the errors by the names under which they are caught.
for _error in list(globals().values()):
    if isinstance(_error, type) and issubclass(_error, InspectdError):
        _error.__module__ = __name__

__all__ = [
    "Aborted",
    "AddressError",
    "Alarm",
    "AlreadyExists",
    "AnomalyKind",
    "Backoff",
    "Box",
    "Camera",
    "CameraPause",
    "CameraState",
    "Cancelled",
    "ChallengeResult",
    "Client",
    "Configuration",
    "Consumer",
    "Corner",
    "CredentialsError",
    "DeadlineExceeded",
    "Decision",
    "DecisionCounts",
    "Disconnected",
    "Engine",
    "ErrorDetails",
    "Event",
    "Evidence",
    "FailedPrecondition",
    "Fault",
    "FaultReason",
    "FrameCounts",
    "Gap",
    "GapReason",
    "Heartbeat",
    "IncompleteAnswer",
    "InspectdError",
    "InvalidArgument",
    "Journal",
    "Label",
    "LabelKind",
    "LineState",
    "Lock",
    "Model",
    "NotFound",
    "OutOfRange",
    "Outline",
    "PermissionDenied",
    "Picture",
    "RecipeTag",
    "Reconnected",
    "Refused",
    "Region",
    "RegionScore",
    "ResourceExhausted",
    "Score",
    "ScoreDrift",
    "SequencesRestarted",
    "Shift",
    "Status",
    "Timings",
    "TriggerResult",
    "Unauthenticated",
    "Unavailable",
    "Verdict",
    "VerdictQuery",
    "VerdictStream",
    "View",
    "Violation",
]
