"""What a consumer has acknowledged, and what has to be sent next. Only calls change it; the time is an argument.

A thread (`_acknowledger.py`) or a task (`aio/_acknowledger.py`) executes what `next_step` returns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ._backoff import Backoff
from ._errors import InspectdError

# The shortest time between two acknowledgements: each one is written to the daemon's disk.
INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Send:
    """Send an acknowledgement now."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for a newer sequence, at most for this time."""

    limit_s: float | None


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing will have to be sent."""


@dataclass(slots=True)
class Acknowledgements:
    """The newest acknowledged sequence is sent, at most ten times a second, until the daemon has stored it."""

    newest: int = 0
    """What has to be stored."""
    durable: int = 0
    """What the daemon has stored."""
    finishing: bool = False
    """Nothing newer follows."""
    error: InspectdError | None = None
    """Why the last one failed."""
    failures: int = 0
    _due: float = 0.0
    """When the next one may be sent."""
    _tried: int = 0
    """The last sequence that was sent."""
    _backoff: Backoff = field(default_factory=Backoff)

    def acknowledge(self, sequence: int) -> bool:
        """All verdicts up to this sequence are processed. False: all up to a later one were before."""
        if sequence <= self.newest:
            return False
        self.newest = sequence
        return True

    @property
    def pending(self) -> bool:
        """Whether something is not stored yet."""
        return self.newest > self.durable

    @property
    def failed(self) -> InspectdError | None:
        """Why the newest sequence is not stored, after the last attempt."""
        return self.error if self.pending else None

    def next_step(self, now: float) -> Send | Wait | Done:
        """Returns what to do now."""
        if not self.pending:
            return Done() if self.finishing else Wait(None)
        if self.finishing:
            # The newest sequence is sent once more.
            return Done() if self.error and self._tried == self.newest else Send(self.newest)
        if self.error and not self.error.transient:
            return Wait(None)
        return Send(self.newest) if now >= self._due else Wait(self._due - now)

    def sent(self, now: float, sequence: int) -> None:
        """An acknowledgement was sent and not answered yet."""
        self._tried = sequence
        self._due = now + INTERVAL_S

    def answered(self, now: float, error: InspectdError | None, random: float) -> None:
        """The daemon has stored the sequence, or it has not."""
        self.error = error
        if error is None:
            self.failures = 0
            self.durable = max(self.durable, self._tried)
        else:
            self._due = now + self._backoff.pause_s(self.failures, error, random)
            self.failures += 1
