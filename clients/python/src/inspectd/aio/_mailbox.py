"""What happened to a stream, for the task that iterates over it."""

from __future__ import annotations

import asyncio
from collections import deque

from .._steps import Input


class Mailbox:
    """A queue of inputs. Inputs of the connection stay in order; all other inputs are taken before them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: deque[Input] = deque()
        self._delivered: deque[Input] = deque()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()

    def post(self, happened: Input) -> None:
        """Adds an input that is taken before those of the connection."""
        self._urgent.append(happened)
        self._arrived.set()

    def end(self, happened: Input) -> None:
        """Adds an input that is taken after those of the connection."""
        self._delivered.append(happened)
        self._arrived.set()

    async def offer(self, happened: Input) -> None:
        """Adds an input of the connection as soon as there is space."""
        while len(self._delivered) >= self._limit:
            self._taken.clear()
            await self._taken.wait()
        self.end(happened)

    async def take(self, timeout_s: float | None) -> Input | None:
        """Removes the next input, after it has arrived. None: there was none in this time.

        Nothing is lost if the wait is cancelled.
        """
        if not self._urgent and not self._delivered:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), None if timeout_s is None else max(timeout_s, 0.0))
            except asyncio.TimeoutError:
                pass
        if self._urgent:
            return self._urgent.popleft()
        if not self._delivered:
            return None
        self._taken.set()
        return self._delivered.popleft()
