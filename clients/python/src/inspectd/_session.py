"""A subscription over all its connections: a state machine without IO, time and threads.

A driver (`_stream.py`, `aio.py`) passes what happens to `handle`, carries out `commands`, and returns the `outcome` to
the loop. It waits until something happens, at most until `deadline`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from inspectd.v1 import inspection_pb2, verdict_pb2

from ._backoff import Backoff
from ._enums import Decision
from ._errors import InspectdError, SequencesRestarted, Unavailable
from ._position import Position, Start
from ._steps import (
    AcknowledgeRefused,
    Asked,
    Cancel,
    CloseAsked,
    Command,
    Disconnected,
    Ended,
    Failed,
    Finished,
    Input,
    NewestRead,
    Open,
    Outcome,
    ReadNewest,
    Received,
    Reconnected,
)


@dataclass(frozen=True, slots=True)
class Filter:
    """The verdicts of a subscription. Empty: all."""

    cameras: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a subscription waits, seconds."""

    answer_s: float
    """For the first message of a stream."""
    silence_s: float
    """For the next message; three intervals of heartbeats, if that is longer."""


class _Phase(Enum):
    NEW = auto()
    CONNECTING = auto()
    """The newest sequence or the stream was requested, and nothing has arrived."""
    OPEN = auto()
    PAUSED = auto()
    FINISHED = auto()


@dataclass(slots=True)
class Session:
    """The state of a subscription."""

    position: Position
    filter: Filter
    patience: Patience
    reconnect: Backoff | None
    random: Callable[[], float]
    """0 to 1."""
    _outcomes: list[tuple[Outcome, int]] = field(default_factory=list)
    """What the loop receives next, and the position after it."""
    _commands: list[Command] = field(default_factory=list)
    delivered: int = 0
    """The position after what the loop has received."""
    processed: int = 0
    """The position after what the loop has processed: before it requested the next event."""
    _phase: _Phase = _Phase.NEW
    _due: float | None = None
    """When the phase has taken too long, or the pause is over."""
    _connection: int = 0
    """Counts connections; inputs of an earlier connection are ignored."""
    _failures: int = 0
    """Since the last message."""
    _interval_s: float = 0.0
    """The interval of heartbeats, as the daemon stated it last."""
    _interrupted: bool = False
    """Since a connection was lost, no other one has delivered a message."""

    @property
    def _silence_s(self) -> float:
        return max(self.patience.silence_s, 3 * self._interval_s)

    @property
    def connected(self) -> bool:
        """Whether the stream is open."""
        return self._phase is _Phase.OPEN

    def delivered_up_to(self, sequence: int | None) -> int:
        """Returns a sequence to acknowledge, which the loop has received; None: the last one."""
        if sequence is None:
            return self.delivered
        if sequence > self.delivered:
            raise ValueError(f"sequence: this stream has not delivered {sequence}; the last is {self.delivered}")
        return sequence

    def deadline(self) -> float | None:
        """When `handle(now, None)` is due."""
        return self._due

    def take_commands(self) -> list[Command]:
        """Returns what the driver has to do now."""
        commands, self._commands = self._commands, []
        return commands

    def take_outcome(self) -> Outcome | None:
        """Returns what the loop receives; None: nothing yet."""
        if self._outcomes:
            outcome, self.delivered = self._outcomes.pop(0)
            return outcome
        return Finished() if self._phase is _Phase.FINISHED else None

    def handle(self, now: float, happened: Input | None) -> None:
        """Takes what happened. None: nothing did, until the deadline."""
        match happened:
            case None:
                self._waited(now)
            case Asked():
                self._asked(now)
            case NewestRead(connection, sequence) if connection == self._connection:
                self.position.begin_after(sequence)
                self._open(now)
            case Received(connection, message) if connection == self._connection:
                self._received(now, message)
            case Ended(connection, error) if connection == self._connection:
                self._failed(now, error)
            case AcknowledgeRefused(error) if self._phase is not _Phase.FINISHED:
                self._finish()
                self._deliver(Failed(error))
            case CloseAsked() if self._phase is not _Phase.FINISHED:
                self._outcomes.clear()
                self._finish()

    def _asked(self, now: float) -> None:
        self.processed = self.delivered
        if self._phase is _Phase.NEW:
            self._connect(now)

    def _deliver(self, outcome: Outcome) -> None:
        self._outcomes.append((outcome, self.position.passed))

    def _connect(self, now: float) -> None:
        self._phase = _Phase.CONNECTING
        self._connection += 1
        if self.position.requires_newest:
            # The call has a time limit of its own.
            self._due = None
            self._commands.append(ReadNewest(self._connection))
        else:
            self._open(now)

    def _open(self, now: float) -> None:
        request = inspection_pb2.StreamVerdictsRequest(
            camera_ids=self.filter.cameras,
            decisions=[verdict_pb2.Decision.Value(f"DECISION_{one.name}") for one in self.filter.decisions],
        )
        self.position.fill(request)
        self.position.connected()
        self._due = now + self.patience.answer_s
        self._commands.append(Open(self._connection, request))

    def _received(self, now: float, message: inspection_pb2.StreamVerdictsResponse) -> None:
        self._phase = _Phase.OPEN
        if message.heartbeat.HasField("interval"):
            self._interval_s = message.heartbeat.interval.ToTimedelta().total_seconds()
        self._due = now + self._silence_s
        self._failures = 0
        if self._interrupted:
            self._interrupted = False
            self._deliver(Reconnected())
        try:
            event = self.position.apply(message)
        except SequencesRestarted as error:
            self._commands.append(Cancel(self._connection))
            self._failed(now, error)
            return
        if event is not None:
            self._deliver(event)

    def _failed(self, now: float, error: InspectdError) -> None:
        self._connection += 1
        self._due = None
        if self.reconnect is None or not error.transient:
            self._phase = _Phase.FINISHED
            self._deliver(Failed(error))
            return
        pause_s = self.reconnect.pause_s(self._failures, error, self.random())
        self._failures += 1
        self._interrupted = True
        self._phase = _Phase.PAUSED
        self._due = now + pause_s
        self._deliver(Disconnected(error, pause_s))

    def _waited(self, now: float) -> None:
        if self._due is None or now < self._due:
            return
        self._due = None
        if self._phase is _Phase.PAUSED:
            self._connect(now)
        elif self._phase is _Phase.OPEN:
            self._silent(now, self._silence_s)
        elif self._phase is _Phase.CONNECTING:
            self._silent(now, self.patience.answer_s)

    def _silent(self, now: float, limit_s: float) -> None:
        self._commands.append(Cancel(self._connection))
        self._failed(now, Unavailable(f"the stream ended: the daemon sent nothing for {limit_s:g} s"))

    def _finish(self) -> None:
        self._commands.append(Cancel(self._connection))
        self._connection += 1
        self._due = None
        self._phase = _Phase.FINISHED


def new_session(
    *,
    consumer: str | None,
    start: Start | None,
    cameras: Iterable[str],
    decisions: Iterable[Decision],
    reconnect: Backoff | None,
    patience: Patience,
) -> Session:
    """A session with the arguments of `Client.verdicts`."""
    if consumer is not None and start is not None:
        raise ValueError("consumer and start exclude each other: a consumer starts after what it acknowledged")
    if isinstance(cameras, str):
        raise TypeError("cameras must be a list of ids, not a text")
    return Session(
        position=Position(start="next" if start is None else start, consumer=consumer),
        filter=Filter(tuple(cameras), tuple(decisions)),
        patience=patience,
        reconnect=reconnect,
        random=random.random,
    )
