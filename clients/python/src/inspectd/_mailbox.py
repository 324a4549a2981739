"""What happened to a stream, from several threads, for the thread that iterates over it."""

from __future__ import annotations

from collections import deque
from threading import Condition, RLock

from ._steps import Input


class Mailbox:
    """A queue of inputs. Inputs of the connection stay in order; all other inputs are taken before them.

    The lock is reentrant, so that a signal handler may post.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: deque[Input] = deque()
        self._delivered: deque[Input] = deque()
        self._changed = Condition(RLock())
        self._closed = False

    def post(self, happened: Input) -> None:
        """Adds an input that is taken before those of the connection."""
        self._add(self._urgent, happened)

    def end(self, happened: Input) -> None:
        """Adds an input that is taken after those of the connection."""
        self._add(self._delivered, happened)

    def offer(self, happened: Input) -> bool:
        """Adds an input of the connection as soon as there is space. False: the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._delivered) < self._limit)
            if not self._closed:
                self._add(self._delivered, happened)
            return not self._closed

    def take(self, timeout_s: float | None) -> Input | None:
        """Removes the next input, after it has arrived. None: there was none in this time."""
        with self._changed:
            limit_s = None if timeout_s is None else max(timeout_s, 0.0)
            self._changed.wait_for(lambda: self._urgent or self._delivered, limit_s)
            if self._urgent:
                return self._urgent.popleft()
            if not self._delivered:
                return None
            self._changed.notify_all()
            return self._delivered.popleft()

    def close(self) -> None:
        """Further inputs are not accepted."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, inputs: deque[Input], happened: Input) -> None:
        with self._changed:
            inputs.append(happened)
            self._changed.notify_all()
