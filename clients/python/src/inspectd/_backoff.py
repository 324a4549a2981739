"""Pauses between attempts."""

from __future__ import annotations

from dataclasses import dataclass

from ._errors import InspectdError, ResourceExhausted


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses before further attempts. A pause doubles with each failure, up to a maximum.

    A random part of up to a half is left out, so that clients that lost the same daemon do not reconnect at the same time.
    """

    initial_s: float = 0.25
    max_s: float = 5.0

    def pause_s(self, failures: int, error: InspectdError, random: float) -> float:
        """The pause after this number of earlier failures; `random` is 0 to 1. Not shorter than the daemon requests."""
        pause_s = min(self.initial_s * 2.0 ** min(failures, 60), self.max_s) * (1 - random / 2)
        asked_s = error.retry_after_s if isinstance(error, ResourceExhausted) else None
        return max(pause_s, asked_s or 0.0)


@dataclass(slots=True)
class Retries:
    """Repetitions of a call until a time, by a monotonic clock in seconds."""

    until: float
    failures: int = 0

    def pause_s(self, error: InspectdError, now: float, random: float) -> float | None:
        """The pause before the call is repeated. None: it is not repeated."""
        pause_s = Backoff().pause_s(self.failures, error, random)
        if not error.transient or now + pause_s >= self.until:
            return None
        self.failures += 1
        return pause_s
