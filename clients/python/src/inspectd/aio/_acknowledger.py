"""Sends the acknowledgements of a stream for asyncio, in a task of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from .. import _calls
from .._acknowledgements import Acknowledgements, Done, Send, Wait
from .._errors import InspectdError
from .._log import not_acknowledged
from ._tasks import start
from ._transport import Transport


class Acknowledger:
    """Acknowledges for a consumer. `refused` is called with a permanent error."""

    def __init__(self, transport: Transport, consumer: str, refused: Callable[[InspectdError], None]) -> None:
        self._transport = transport
        self._consumer = consumer
        self._refused = refused
        self._state = Acknowledgements()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def durable(self) -> int:
        """The sequence that the daemon has stored."""
        return self._state.durable

    def acknowledge(self, sequence: int) -> None:
        """All verdicts up to this sequence are processed. Returns at once."""
        if self._state.acknowledge(sequence):
            if self._task is None:
                self._task = start(self._run())
            self._changed.set()

    def leave(self) -> None:
        """Sends what is pending in the background, and ends the task."""
        self._state.finishing = True
        self._changed.set()

    async def finish(self) -> None:
        """Waits until the newest sequence is stored. Raises the error of the last attempt."""
        self.leave()
        if self._task is not None:
            await asyncio.shield(self._task)
        if self._state.failed is not None:
            raise self._state.failed

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            match self._state.next_step(monotonic()):
                case Done():
                    return
                case Wait(limit_s):
                    with suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), limit_s)
                case Send(sequence):
                    await self._send(sequence)

    async def _send(self, sequence: int) -> None:
        self._state.sent(monotonic(), sequence)
        error = None
        try:
            await self._transport.answer(_calls.acknowledge(self._consumer, sequence))
        except InspectdError as failure:
            error = failure
        if error is not None and self._state.failures == 0:
            not_acknowledged(self._transport.address, sequence, error)
        self._state.answered(monotonic(), error, random.random())
        if error is not None and not error.transient:
            self._refused(error)
