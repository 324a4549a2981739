"""The blocking stream: a thread reads the connection, the loop drives the session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import RLock, Thread, get_ident
from time import monotonic
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import grpc

from . import _calls
from ._acknowledger import Acknowledger
from ._errors import InspectdError, RpcFailure, from_stream, stream_closed
from ._log import StreamLog
from ._mailbox import Mailbox
from ._session import Session
from ._steps import (
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
from ._transport import Transport

T = TypeVar("T")

# Messages that are read ahead of the loop. Beyond it the daemon keeps them, in its buffer or in the journal.
_READ_AHEAD = 64


class VerdictStream(Generic[T]):
    """Verdicts as they are made: an iterator that reconnects by itself. Made by `Client.verdicts` and `Client.events`.

    It is a context manager, which closes it. One thread iterates at a time; `close` and `acknowledge` may be called from
    any thread.
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
        # Its thread holds the mailbox and not the stream, so that a stream that is left is collected.
        consumer = session.position.consumer
        self._acknowledger = (
            None
            if consumer is None
            else Acknowledger(transport, consumer, lambda error: mailbox.post(AcknowledgeRefused(error)))
        )
        self._call: Any = None
        # Reentrant, so that a signal handler may close the stream at any time.
        self._driving = RLock()
        self._driver: int | None = None
        """The thread that drives the session."""
        self._interrupted = False

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

        Returns at once. A thread sends it, at most ten times a second, together with later ones.
        """
        if self._acknowledger is None:
            raise ValueError("only a consumer acknowledges: open the stream with consumer=NAME")
        self._acknowledger.acknowledge(self._session.delivered_up_to(sequence))

    def close(self) -> None:
        """Ends the stream, and waits until the last acknowledgement is stored. A loop over the stream ends.

        Raises the error of the last acknowledgement if it is not stored: the daemon will send those verdicts again.
        """
        self._mailbox.post(CloseAsked())
        if self._driver == get_ident():
            # A signal handler has interrupted the loop, which ends next.
            return
        with self._drive():
            while not isinstance(self._advance(), Finished):
                pass
        self._mailbox.close()
        if self._acknowledger is not None:
            self._acknowledger.finish()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._drive():
            if self._interrupted:
                raise StopIteration
            try:
                return self._next()
            except (InspectdError, StopIteration):
                raise
            except BaseException:
                # Raised by a signal handler, such as KeyboardInterrupt: a verdict may be lost between mailbox and loop.
                self._interrupted = True
                raise

    def _next(self) -> T:
        while True:
            self._handle(Asked())
            if self._acknowledger is not None and self._acknowledge_automatically:
                self._acknowledger.acknowledge(self._session.processed)
            outcome = self._advance()
            if isinstance(outcome, Failed):
                raise outcome.error
            if isinstance(outcome, Finished):
                raise StopIteration
            if isinstance(outcome, self._kinds):
                return outcome

    def __enter__(self) -> VerdictStream[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except InspectdError:
            # It was logged, and must not hide the error that ended the block.
            if error is None:
                raise

    def __del__(self) -> None:
        # A loop was left without `close`: end the call and its threads. What is processed is acknowledged without waiting.
        # None of this is possible while the interpreter ends.
        with suppress(Exception):
            self._mailbox.close()
            if self._acknowledger is not None:
                self._acknowledger.leave()
            self._handle(CloseAsked())

    @contextmanager
    def _drive(self) -> Iterator[None]:
        with self._driving:
            self._driver = get_ident()
            try:
                yield
            finally:
                self._driver = None

    def _advance(self) -> Outcome:
        """Waits for the next outcome."""
        while (outcome := self._session.take_outcome()) is None:
            deadline = self._session.deadline()
            self._handle(self._mailbox.take(None if deadline is None else deadline - monotonic()))
        self._log.outcome(outcome)
        return outcome

    def _handle(self, happened: Input | None) -> None:
        self._session.handle(monotonic(), happened)
        for command in self._session.take_commands():
            self._perform(command)

    def _perform(self, command: Command) -> None:
        # The threads hold the mailbox and not the stream, so that a stream that is left is collected.
        mailbox = self._mailbox
        match command:
            case ReadNewest(connection):
                self._transport.answer_later(
                    _calls.newest(),
                    lambda answer: mailbox.post(
                        Ended(connection, answer)
                        if isinstance(answer, InspectdError)
                        else NewestRead(connection, answer)
                    ),
                )
            case Open(connection, request):
                self._call = self._transport.open_stream(request)
                reader = Thread(
                    target=_read, args=(self._call, connection, mailbox), name="inspectd-stream", daemon=True
                )
                reader.start()
            case Cancel():
                if self._call is not None:
                    self._call.cancel()


def _read(call: Any, connection: int, mailbox: Mailbox) -> None:
    """Reads a stream to its end."""
    error = stream_closed()
    try:
        for message in call:
            if not mailbox.offer(Received(connection, message)):
                call.cancel()
                return
    except grpc.RpcError as failure:
        error = from_stream(cast(RpcFailure, failure))
    mailbox.end(Ended(connection, error))
