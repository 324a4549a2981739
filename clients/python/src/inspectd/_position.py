"""The position of a subscription: what a new connection has to request. Changed by messages only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from inspectd.v1 import inspection_pb2

from ._convert import convert, timestamp
from ._errors import SequencesRestarted
from ._verdict import Gap, Heartbeat, Verdict

Start = Literal["next", "live", "oldest"] | int | datetime
"""Where a stream starts: see `Client.verdicts`."""

_OLDEST = 0


@dataclass(slots=True)
class Position:
    """Where a subscription is."""

    start: Start
    consumer: str | None
    passed: int = 0
    """Everything up to this sequence was received, or does not match the filter; 0: nothing yet."""
    received: int = 0
    """The last verdict received; 0: none."""
    runs: list[tuple[int, str]] = field(default_factory=list)
    """The runs of the daemon whose verdicts were received: the first sequence and the id of each."""
    heartbeat: int | None = None
    """The sequence in the last heartbeat of this connection."""

    def __post_init__(self) -> None:
        if isinstance(self.start, datetime):
            timestamp(self.start, "start")
        elif isinstance(self.start, int):
            if isinstance(self.start, bool) or not 0 <= self.start < 1 << 64:
                raise ValueError(f"start: {self.start!r} is not a sequence")
        elif self.start not in ("next", "live", "oldest"):
            raise ValueError(f"start: {self.start!r} must be 'next', 'live', 'oldest', a sequence or a datetime")

    @property
    def requires_newest(self) -> bool:
        """Whether `begin_after` has to be called before a stream is requested."""
        return self.consumer is None and self.start == "next"

    def begin_after(self, newest: int | None) -> None:
        """Resolves the start "next": the newest sequence of the journal, or None without a journal."""
        self.start = "live" if newest is None else newest + 1

    def fill(self, request: inspection_pb2.StreamVerdictsRequest) -> None:
        """Sets the start of the next request."""
        if self.consumer is not None:
            request.consumer = self.consumer
        elif self.start == "live":
            return
        elif self.passed > 0:
            request.from_sequence = self.passed + 1
        elif isinstance(self.start, datetime):
            request.from_time.CopyFrom(timestamp(self.start, "start"))
        else:
            request.from_sequence = self.start if isinstance(self.start, int) else _OLDEST

    def connected(self) -> None:
        """A new connection is open."""
        self.heartbeat = None

    def apply(self, message: inspection_pb2.StreamVerdictsResponse) -> Verdict | Gap | Heartbeat | None:
        """Takes a message. None: it repeats what was received before, or this version does not know it.

        Raises `SequencesRestarted` if a verdict has the sequence of another one that was received.
        """
        match message.WhichOneof("event"):
            case "verdict":
                return self._verdict(convert(Verdict, message.verdict))
            case "gap":
                return self._gap(convert(Gap, message.gap))
            case "heartbeat":
                # The daemon sends another heartbeat only once it has nothing else to send: what was the newest sequence
                # at the one before has been sent, or does not match the filter. Without this, a subscription that
                # rarely matches would resume where the journal has aged out.
                self.passed = max(self.passed, self.heartbeat or 0)
                self.heartbeat = message.heartbeat.sequence
                return convert(Heartbeat, message.heartbeat)
        return None

    def _gap(self, gap: Gap) -> Gap | None:
        # As a verdict: a consumer's new connection may repeat it.
        if 1 <= gap.last_sequence <= self.passed:
            return None
        # A new connection does not request the lost ones again.
        self.passed = max(self.passed, gap.last_sequence)
        return gap

    def _verdict(self, verdict: Verdict) -> Verdict | None:
        if self.consumer is not None and verdict.sequence > 0 and self._is_repeated(verdict):
            return None
        self.received = max(self.received, verdict.sequence)
        self.passed = max(self.passed, verdict.sequence)
        return verdict

    def _is_repeated(self, verdict: Verdict) -> bool:
        # A consumer's new connection starts with what was received and not acknowledged yet.
        known = next((run for first, run in reversed(self.runs) if first <= verdict.sequence), None)
        if verdict.sequence <= self.received:
            if known != verdict.run_id:
                raise SequencesRestarted(verdict.sequence)
            return True
        if known != verdict.run_id:
            self.runs.append((verdict.sequence, verdict.run_id))
        return False
