"""The stream for asyncio: a task reads the connection, the loop drives the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import grpc

from .. import _calls
from .._errors import InspectdError, RpcFailure, from_stream, stream_closed
from .._log import StreamLog
from .._session import Session
from .._steps import (
    AcknowledgeRefused,
    Asked,
    Cancel,
    CloseAsked,
    Command,
    Ended,
    Failed,
    Finished,
    Input,
    NewestRead,
    Open,
    Outcome,
    ReadNewest,
    Received,
)
from ._acknowledger import Acknowledger
from ._mailbox import Mailbox
from ._tasks import start
from ._transport import Transport

T = TypeVar("T")

# Messages that are read ahead of the loop. Beyond it the daemon keeps them, in its buffer or in the journal.
_READ_AHEAD = 64


class VerdictStream(Generic[T]):
    """Verdicts as they are made: an asynchronous iterator that reconnects by itself. Made by `Client.verdicts` and
    `Client.events`.

    It is an asynchronous context manager, which closes it. One task iterates at a time. Waiting for the next verdict can
    be cancelled without loss.
    """

    def __init__(
        self, transport: Transport, session: Session, kinds: tuple[type[T], ...], acknowledge_automatically: bool
    ) -> None:
        self._transport = transport
        self._session = session
        self._kinds = kinds
        self._log = StreamLog(transport.address)
        self._mailbox = mailbox = Mailbox(_READ_AHEAD)
        self._acknowledge_automatically = acknowledge_automatically
        # Its task holds the mailbox and not the stream, so that a stream that is left is collected.
        consumer = session.position.consumer
        self._acknowledger = (
            None
            if consumer is None
            else Acknowledger(transport, consumer, lambda error: mailbox.post(AcknowledgeRefused(error)))
        )
        self._call: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._driving = asyncio.Lock()

    @property
    def last_sequence(self) -> int:
        """The highest sequence that the loop received; 0 if there was none."""
        return self._session.position.received

    @property
    def acknowledged(self) -> int:
        """The sequence up to which the daemon has stored this stream's acknowledgement; 0 if it has not."""
        return self._acknowledger.durable if self._acknowledger else 0

    @property
    def connected(self) -> bool:
        """Whether the stream is open, as far as the loop has noticed."""
        return self._session.connected

    def acknowledge(self, sequence: int | None = None) -> None:
        """States that all verdicts up to this sequence are processed; without one, all that the loop received.

        Returns at once. A task sends it, at most ten times a second, together with later ones.
        """
        if self._acknowledger is None:
            raise ValueError("only a consumer acknowledges: open the stream with consumer=NAME")
        self._acknowledger.acknowledge(self._session.delivered_up_to(sequence))

    async def close(self) -> None:
        """Ends the stream, and waits until the last acknowledgement is stored. A loop over the stream ends.

        Raises the error of the last acknowledgement if it is not stored: the daemon will send those verdicts again.
        """
        self._mailbox.post(CloseAsked())
        async with self._driving:
            while not isinstance(await self._advance(), Finished):
                pass
        if self._acknowledger is not None:
            await self._acknowledger.finish()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        async with self._driving:
            while True:
                self._handle(Asked())
                if self._acknowledger is not None and self._acknowledge_automatically:
                    self._acknowledger.acknowledge(self._session.processed)
                outcome = await self._advance()
                if isinstance(outcome, Failed):
                    raise outcome.error
                if isinstance(outcome, Finished):
                    raise StopAsyncIteration
                if isinstance(outcome, self._kinds):
                    return outcome

    async def __aenter__(self) -> VerdictStream[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except InspectdError:
            # It was logged, and must not hide the error that ended the block.
            if error is None:
                raise

    def __del__(self) -> None:
        # A loop was left without `close`: end the call and its tasks. What is processed is acknowledged without waiting.
        # None of this is possible after the event loop has ended.
        with suppress(Exception):
            if self._acknowledger is not None:
                self._acknowledger.leave()
            self._handle(CloseAsked())

    async def _advance(self) -> Outcome:
        """Waits for the next outcome."""
        while (outcome := self._session.take_outcome()) is None:
            deadline = self._session.deadline()
            self._handle(await self._mailbox.take(None if deadline is None else deadline - monotonic()))
        self._log.outcome(outcome)
        return outcome

    def _handle(self, happened: Input | None) -> None:
        self._session.handle(monotonic(), happened)
        for command in self._session.take_commands():
            self._perform(command)

    def _perform(self, command: Command) -> None:
        # The tasks hold the mailbox and not the stream, so that a stream that is left is collected.
        match command:
            case ReadNewest(connection):
                start(_read_newest(self._transport, connection, self._mailbox))
            case Open(connection, request):
                self._call = self._transport.open_stream(request)
                self._reader = start(_read(self._call, connection, self._mailbox))
            case Cancel():
                if self._reader is not None:
                    self._reader.cancel()
                    self._call.cancel()


async def _read_newest(transport: Transport, connection: int, mailbox: Mailbox) -> None:
    try:
        mailbox.post(NewestRead(connection, await transport.answer(_calls.newest())))
    except InspectdError as error:
        mailbox.post(Ended(connection, error))


async def _read(call: Any, connection: int, mailbox: Mailbox) -> None:
    """Reads a stream to its end."""
    error = stream_closed()
    try:
        async for message in call:
            await mailbox.offer(Received(connection, message))
    except grpc.aio.AioRpcError as failure:
        error = from_stream(cast(RpcFailure, failure))
    mailbox.end(Ended(connection, error))
