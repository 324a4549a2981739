"""What streams log, to the logger `inspectd`."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ._errors import InspectdError
from ._steps import Disconnected, Outcome, Reconnected

_LOGGER = logging.getLogger("inspectd")


@dataclass(slots=True)
class StreamLog:
    """Logs the first loss of a connection in a series, and the end of the series."""

    address: str
    disconnected: bool = False

    def outcome(self, outcome: Outcome) -> None:
        """Logs what the loop receives, if it is about the connection."""
        if isinstance(outcome, Disconnected):
            level = logging.DEBUG if self.disconnected else logging.WARNING
            _LOGGER.log(level, "%s: %s; next attempt in %.2f s", self.address, outcome.error, outcome.retry_in_s)
            self.disconnected = True
        elif isinstance(outcome, Reconnected):
            _LOGGER.info("%s: the stream is open again", self.address)
            self.disconnected = False


def not_acknowledged(address: str, sequence: int, error: InspectdError) -> None:
    """Logs an acknowledgement that failed, the first one of a series."""
    _LOGGER.warning("%s: the acknowledgement of %d failed: %s", address, sequence, error)
