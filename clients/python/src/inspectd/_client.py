"""The blocking client."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakSet

import grpc

from . import _calls
from ._backoff import Backoff, Retries
from ._calls import Call, TriggerResult, VerdictQuery
from ._connection import Connection, FilePath
from ._enums import Decision, LabelKind
from ._errors import InspectdError
from ._evidence import ColourOrder, Evidence, Image, ImageFormat, image_content
from ._position import Start
from ._session import Patience, new_session
from ._status import Camera, Status
from ._steps import Disconnected, Event, Reconnected
from ._stream import VerdictStream
from ._transport import Transport
from ._verdict import Consumer, Gap, Heartbeat, Label, Outline, Verdict

T = TypeVar("T")

ANSWER_TIMEOUT_S = 10.0
# Three intervals of the daemon's default, `server.heartbeat_interval_s = 5`.
SILENCE_TIMEOUT_S = 15.0
# An image waits between the frames of the cameras.
INSPECT_TIMEOUT_S = 60.0


class Client:
    """A client of one daemon. Its methods may be called from any thread.

    It connects with the first call, and again with the next call after the connection broke. Each method raises a
    subclass of `InspectdError` if the daemon does not answer within the time limit, or refuses.
    """

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
        """Creates a client of the daemon at `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`.

        `ca`: the CA of the daemon's certificate; `certificate` and `key`: those of this client; files in PEM format.
        `token`, or `token_file` with nothing else in it: the token of this client. `timeout`: how long the daemon may take
        to answer, seconds.

        Without an address: the variables INSPECTD_SERVER, INSPECTD_CA, INSPECTD_CERTIFICATE, INSPECTD_KEY and
        INSPECTD_TOKEN_FILE, as for `inspectctl`; without them http://127.0.0.1:50051.
        """
        connection = Connection.of(address, ca, certificate, key, token, token_file)
        self._transport = Transport(connection, timeout)
        self._streams: WeakSet[VerdictStream[Any]] = WeakSet()

    @property
    def address(self) -> str:
        """The address of the daemon."""
        return self._transport.address

    @property
    def channel(self) -> grpc.Channel:
        """The channel of gRPC, for calls that this class does not have. They need `metadata`.

        `LineServiceStub(client.channel).ListAuditEntries(ListAuditEntriesRequest(), metadata=client.metadata)`
        """
        return self._transport.channel

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What identifies this client in each call: the token, if it has one."""
        return self._transport.connection.metadata

    def close(self) -> None:
        """Closes all streams and the connection. Raises what the streams raise, see `VerdictStream.close`."""
        try:
            for stream in list(self._streams):
                stream.close()
        finally:
            self._transport.close()

    def __enter__(self) -> Client:
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
        """Returns verdicts as they are made: an iterator that reconnects and resumes by itself.

        A `consumer` starts after the last verdict that it acknowledged; a new one with the oldest that is kept. Requesting
        the next verdict acknowledges the previous ones, unless `acknowledge` is False.

        Others begin at `start`: "next", the default, with the next verdict; "oldest" with the oldest that is kept; a
        sequence; a datetime with the first verdict journalled at or after it. All of these resume after the last verdict
        received. "live" continues with the next verdict after an outage. Without a journal, so does "next", and the other
        ones are refused.

        `cameras`, `decisions`: only these; empty: all. `reconnect`: the pauses between attempts; None: the stream ends
        with the first error. `silence_timeout`: the connection counts as lost if the daemon sends nothing for this many
        seconds, or for three of its `server.heartbeat_interval_s`, if that is longer.

        The iterator raises permanent errors: `OutOfRange` if the verdicts after the position were
        removed, `Aborted` if another stream of the consumer was opened, `PermissionDenied`, `NotFound`, ...
        """
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
        """Returns verdicts as `verdicts`, and what happens to the connection: heartbeats, disconnections, reconnections."""
        kinds: tuple[type[Event], ...] = (Verdict, Gap, Heartbeat, Disconnected, Reconnected)
        return self._stream(kinds, consumer, start, cameras, decisions, acknowledge, reconnect, silence_timeout)

    def acknowledge(self, consumer: str, sequence: int) -> Consumer:
        """Acknowledges all verdicts up to and including `sequence`. Returns once that is durable.

        A name that the daemon does not know becomes a new consumer. An acknowledgement never goes back.
        """
        return self._transport.answer(_calls.acknowledge(consumer, sequence))

    def consumers(self) -> tuple[Consumer, ...]:
        """Returns the consumers, by name."""
        return self._transport.answer(_calls.consumers())

    def forget_consumer(self, consumer: str) -> None:
        """Removes a consumer: the daemon no longer stores its position."""
        return self._transport.answer(_calls.forget_consumer(consumer))

    def trigger(
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
        """Inspects the next frame of a camera in mode `requested`, or of all cameras of a group.

        `wait`: seconds to wait for the verdict; None: the answer comes once the request is accepted. `part_id` and
        `client_data` are returned in the verdict. `recipe`, `recipe_sha256`: a prepared recipe for this request only.

        `idempotency_key`: a request with the key of an earlier one is the same request; the part is inspected once.
        `retry_within`: repeats the request after transient errors for this many seconds, under a new key if none is given. A
        request that is accepted late inspects what is in view then: repeat it only for parts that wait.
        """
        key = idempotency_key or (uuid.uuid4().hex if retry_within > 0 else "")
        call = _calls.trigger(
            camera, group, part_id, client_data, recipe, recipe_sha256, key, wait is not None
        )
        retries = Retries(monotonic() + retry_within)
        while True:
            try:
                return self._transport.answer(call, wait)
            except InspectdError as error:
                pause_s = retries.pause_s(error, monotonic(), random.random())
                if pause_s is None:
                    raise
            time.sleep(pause_s)

    def inspect(
        self, image: Image, *, camera: str = "", order: ColourOrder = "rgb", timeout: float = INSPECT_TIMEOUT_S
    ) -> Verdict:
        """Inspects an image with the loaded model, between the frames of the cameras.

        `image`: the bytes of a PNG, JPEG, TIFF or BMP file; a numpy array of uint8, [height, width] or
        [height, width, 3] in this `order` ("bgr" for arrays of OpenCV); or a PIL image. `camera`: the camera whose crop,
        rotation and thresholds apply.
        """
        return self._transport.answer(_calls.inspect(image_content(image, order), camera), timeout)

    def evidence(self, sequence: int, *, format: ImageFormat = "png", side_limit: int = 0) -> Evidence:
        """Returns the frame of a recent verdict, and its heatmap. `NotFound` if they were removed.

        `format`: of pictures that are not on the daemon's disk yet. `side_limit`: pictures are scaled down until their
        longer side has this many pixels; 0: full size.
        """
        return self._transport.answer(_calls.evidence(sequence, format, side_limit))

    def stored_verdicts(self, query: VerdictQuery = VerdictQuery()) -> Iterator[Verdict]:
        """Returns the verdicts of the journal that match a query, the newest first; read page by page."""
        return self._pages(lambda token: _calls.stored_verdicts(query, token))

    def label(
        self,
        sequence: int,
        kind: LabelKind,
        *,
        defect_class: str = "",
        outlines: Iterable[Outline] | None = None,
    ) -> Label | None:
        """Sets, replaces or removes (UNSPECIFIED) the label of a verdict: what a person says of the part.

        `defect_class`, `outlines`: only with DEFECTIVE. Without outlines, those of an earlier label stay as long as the
        part is defective. Returns the label unless it was removed.
        """
        if outlines is None and kind is LabelKind.DEFECTIVE:
            present = self._transport.answer(_calls.labels("", [sequence])).entries
            outlines = present[0].outlines if present else ()
        return self._transport.answer(_calls.label(sequence, kind, defect_class, outlines or ()))

    def labels(self) -> Iterator[Label]:
        """Returns all labels, by sequence; read page by page."""
        return self._pages(_calls.labels)

    def status(self) -> Status:
        """Returns the state of the line, the model, the engine, the journal and the cameras."""
        return self._transport.answer(_calls.status())

    def cameras(self) -> tuple[Camera, ...]:
        """Returns the configured cameras, by id."""
        return self._transport.answer(_calls.cameras())

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

    def _pages(self, page: Callable[[str], Call[_calls.Page[T]]]) -> Iterator[T]:
        token = ""
        while True:
            read = self._transport.answer(page(token))
            yield from read.entries
            token = read.next_token
            if not token:
                return
