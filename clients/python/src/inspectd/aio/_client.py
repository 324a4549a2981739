"""The client for asyncio: the methods of `inspectd.Client`, where they are described."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakSet

import grpc

from .. import _calls
from .._backoff import Backoff, Retries
from .._calls import Call, TriggerResult, VerdictQuery
from .._client import ANSWER_TIMEOUT_S, INSPECT_TIMEOUT_S, SILENCE_TIMEOUT_S
from .._connection import Connection, FilePath
from .._enums import Decision, LabelKind
from .._errors import InspectdError
from .._evidence import ColourOrder, Evidence, Image, ImageFormat, image_content
from .._position import Start
from .._session import Patience, new_session
from .._status import Camera, Status
from .._steps import Disconnected, Event, Reconnected
from .._verdict import Consumer, Gap, Heartbeat, Label, Outline, Verdict
from ._stream import VerdictStream
from ._transport import Transport

T = TypeVar("T")


class Client:
    """A client of one daemon, for one event loop. Its methods are those of `inspectd.Client`."""

    def __init__(
        self,
        address: str | None = None,
        *,
        ca: FilePath | None = None,
        certificate: FilePath | None = None,
        key: FilePath | None = None,
        token: str | None = None,
        token_file: FilePath | None = None,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> None:
        """Creates a client, as `inspectd.Client`. The first call connects."""
        connection = Connection.of(address, ca, certificate, key, token, token_file)
        self._transport = Transport(connection, timeout)
        self._streams: WeakSet[VerdictStream[Any]] = WeakSet()

    @property
    def address(self) -> str:
        """The address of the daemon."""
        return self._transport.address

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel of gRPC, for calls that this class does not have. They need `metadata`."""
        return self._transport.channel

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What identifies this client in each call: the token, if it has one."""
        return self._transport.connection.metadata

    async def close(self) -> None:
        """Closes all streams and the connection. Raises what the streams raise, see `VerdictStream.close`."""
        try:
            for stream in list(self._streams):
                await stream.close()
        finally:
            await self._transport.close()

    async def __aenter__(self) -> Client:
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

    def verdicts(
        self,
        consumer: str | None = None,
        *,
        start: Start | None = None,
        cameras: Iterable[str] = (),
        decisions: Iterable[Decision] = (),
        acknowledge: bool = True,
        reconnect: Backoff | None = Backoff(),
        silence_timeout: float = SILENCE_TIMEOUT_S,
    ) -> VerdictStream[Verdict | Gap]:
        """Returns verdicts as they are made, as `inspectd.Client.verdicts`: an asynchronous iterator."""
        return self._stream(
            (Verdict, Gap), consumer, start, cameras, decisions, acknowledge, reconnect, silence_timeout
        )

    def events(
        self,
        consumer: str | None = None,
        *,
        start: Start | None = None,
        cameras: Iterable[str] = (),
        decisions: Iterable[Decision] = (),
        acknowledge: bool = True,
        reconnect: Backoff | None = Backoff(),
        silence_timeout: float = SILENCE_TIMEOUT_S,
    ) -> VerdictStream[Event]:
        """Returns verdicts and what happens to the connection, as `inspectd.Client.events`."""
        kinds: tuple[type[Event], ...] = (Verdict, Gap, Heartbeat, Disconnected, Reconnected)
        return self._stream(kinds, consumer, start, cameras, decisions, acknowledge, reconnect, silence_timeout)

    async def acknowledge(self, consumer: str, sequence: int) -> Consumer:
        """Acknowledges all verdicts up to and including `sequence`. Returns once that is durable."""
        return await self._transport.answer(_calls.acknowledge(consumer, sequence))

    async def consumers(self) -> tuple[Consumer, ...]:
        """Returns the consumers, by name."""
        return await self._transport.answer(_calls.consumers())

    async def forget_consumer(self, consumer: str) -> None:
        """Removes a consumer: the daemon no longer stores its position."""
        return await self._transport.answer(_calls.forget_consumer(consumer))

    async def trigger(
        self,
        camera: str | None = None,
        *,
        group: str | None = None,
        part_id: str = "",
        client_data: bytes = b"",
        recipe: str = "",
        recipe_sha256: str = "",
        idempotency_key: str = "",
        wait: float | None = None,
        retry_within: float = 0.0,
    ) -> TriggerResult:
        """Triggers an inspection, as `inspectd.Client.trigger`."""
        key = idempotency_key or (uuid.uuid4().hex if retry_within > 0 else "")
        call = _calls.trigger(camera, group, part_id, client_data, recipe, recipe_sha256, key, wait is not None)
        retries = Retries(monotonic() + retry_within)
        while True:
            try:
                return await self._transport.answer(call, wait)
            except InspectdError as error:
                pause_s = retries.pause_s(error, monotonic(), random.random())
                if pause_s is None:
                    raise
            await asyncio.sleep(pause_s)

    async def inspect(
        self, image: Image, *, camera: str = "", order: ColourOrder = "rgb", timeout: float = INSPECT_TIMEOUT_S
    ) -> Verdict:
        """Inspects an image with the loaded model, as `inspectd.Client.inspect`."""
        return await self._transport.answer(_calls.inspect(image_content(image, order), camera), timeout)

    async def evidence(self, sequence: int, *, format: ImageFormat = "png", side_limit: int = 0) -> Evidence:
        """Returns the frame of a recent verdict, and its heatmap, as `inspectd.Client.evidence`."""
        return await self._transport.answer(_calls.evidence(sequence, format, side_limit))

    def stored_verdicts(self, query: VerdictQuery = VerdictQuery()) -> AsyncIterator[Verdict]:
        """Returns the verdicts of the journal that match a query, the newest first; read page by page."""
        return self._pages(lambda token: _calls.stored_verdicts(query, token))

    async def label(
        self,
        sequence: int,
        kind: LabelKind,
        *,
        defect_class: str = "",
        outlines: Iterable[Outline] | None = None,
    ) -> Label | None:
        """Sets, replaces or removes the label of a verdict, as `inspectd.Client.label`."""
        if outlines is None and kind is LabelKind.DEFECTIVE:
            present = (await self._transport.answer(_calls.labels("", [sequence]))).entries
            outlines = present[0].outlines if present else ()
        return await self._transport.answer(_calls.label(sequence, kind, defect_class, outlines or ()))

    def labels(self) -> AsyncIterator[Label]:
        """Returns all labels, by sequence; read page by page."""
        return self._pages(_calls.labels)

    async def status(self) -> Status:
        """Returns the state of the line, the model, the engine, the journal and the cameras."""
        return await self._transport.answer(_calls.status())

    async def cameras(self) -> tuple[Camera, ...]:
        """Returns the configured cameras, by id."""
        return await self._transport.answer(_calls.cameras())

    def _stream(
        self,
        kinds: tuple[type[T], ...],
        consumer: str | None,
        start: Start | None,
        cameras: Iterable[str],
        decisions: Iterable[Decision],
        acknowledge: bool,
        reconnect: Backoff | None,
        silence_timeout: float,
    ) -> VerdictStream[T]:
        session = new_session(
            consumer=consumer,
            start=start,
            cameras=cameras,
            decisions=decisions,
            reconnect=reconnect,
            patience=Patience(self._transport.timeout_s, silence_timeout),
        )
        stream = VerdictStream(self._transport, session, kinds, acknowledge)
        self._streams.add(stream)
        return stream

    async def _pages(self, page: Callable[[str], Call[_calls.Page[T]]]) -> AsyncIterator[T]:
        token = ""
        while True:
            read = await self._transport.answer(page(token))
            for entry in read.entries:
                yield entry
            token = read.next_token
            if not token:
                return
