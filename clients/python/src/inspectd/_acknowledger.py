"""Sends the acknowledgements of a blocking stream, on a thread of its own."""

from __future__ import annotations

import random
from collections.abc import Callable
from threading import Condition, RLock, Thread
from time import monotonic

from . import _calls
from ._acknowledgements import Acknowledgements, Done, Send, Wait
from ._errors import InspectdError
from ._log import not_acknowledged
from ._transport import Transport


class Acknowledger:
    """Acknowledges for a consumer. `refused` is called with a permanent error."""

    def __init__(self, transport: Transport, consumer: str, refused: Callable[[InspectdError], None]) -> None:
        self._transport = transport
        self._consumer = consumer
        self._refused = refused
        self._state = Acknowledgements()
        # Reentrant, so that a signal handler may acknowledge.
        self._changed = Condition(RLock())
        self._thread: Thread | None = None

    @property
    def durable(self) -> int:
        """The sequence that the daemon has stored."""
        return self._state.durable

    def acknowledge(self, sequence: int) -> None:
        """All verdicts up to this sequence are processed. Returns at once."""
        with self._changed:
            if self._state.acknowledge(sequence):
                if self._thread is None:
                    self._thread = Thread(target=self._run, name="inspectd-acknowledge", daemon=True)
                    self._thread.start()
                self._changed.notify_all()

    def leave(self) -> None:
        """Sends what is pending in the background, and ends the thread."""
        with self._changed:
            self._state.finishing = True
            self._changed.notify_all()

    def finish(self) -> None:
        """Waits until the newest sequence is stored. Raises the error of the last attempt."""
        self.leave()
        if self._thread is not None:
            self._thread.join()
        if self._state.failed is not None:
            raise self._state.failed

    def _run(self) -> None:
        while True:
            with self._changed:
                match self._state.next_step(monotonic()):
                    case Done():
                        return
                    case Wait(limit_s):
                        self._changed.wait(limit_s)
                        continue
                    case Send(sequence):
                        self._state.sent(monotonic(), sequence)
            self._send(sequence)

    def _send(self, sequence: int) -> None:
        error = None
        try:
            self._transport.answer(_calls.acknowledge(self._consumer, sequence))
        except InspectdError as failure:
            error = failure
        with self._changed:
            if error is not None and self._state.failures == 0:
                not_acknowledged(self._transport.address, sequence, error)
            self._state.answered(monotonic(), error, random.random())
        if error is not None and not error.transient:
            self._refused(error)
