"""The channel of the blocking client, and its calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import grpc

from inspectd.v1 import inspection_pb2

from ._calls import STREAM_VERDICTS, Call
from ._connection import Connection
from ._errors import InspectdError, RpcFailure, from_call

T = TypeVar("T")


class Transport:
    """Sends calls with the token, and converts answers and errors."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self.connection = connection
        self.timeout_s = timeout_s
        self._closed = False
        target, credentials = connection.endpoint.target, connection.channel_credentials
        self.channel = (
            grpc.insecure_channel(target, connection.options)
            if credentials is None
            else grpc.secure_channel(target, credentials, connection.options)
        )

    @property
    def address(self) -> str:
        """The address of the daemon."""
        return self.connection.endpoint.address

    def answer(self, call: Call[T], limit_s: float | None = None) -> T:
        """Sends a call and waits for the answer."""
        limit_s = self.timeout_s if limit_s is None else limit_s
        try:
            answer = self._method(call)(call.request, timeout=limit_s, metadata=self.connection.metadata)
        except grpc.RpcError as failure:
            raise from_call(self.address, cast(RpcFailure, failure), limit_s) from None
        return call.read(answer)

    def answer_later(self, call: Call[T], done: Callable[[T | InspectdError], None]) -> None:
        """Sends a call; `done` receives the answer or the error on another thread."""
        future = self._method(call).future(call.request, timeout=self.timeout_s, metadata=self.connection.metadata)

        def answered(future: Any) -> None:
            try:
                done(call.read(future.result()))
            except (grpc.RpcError, grpc.FutureCancelledError):
                done(from_call(self.address, future, self.timeout_s))
            except InspectdError as error:
                done(error)

        future.add_done_callback(answered)

    def open_stream(self, request: inspection_pb2.StreamVerdictsRequest) -> Any:
        """Begins a call of StreamVerdicts; it is iterated and cancelled."""
        self._require_open()
        stream = self.channel.unary_stream(
            STREAM_VERDICTS,
            request_serializer=inspection_pb2.StreamVerdictsRequest.SerializeToString,
            response_deserializer=inspection_pb2.StreamVerdictsResponse.FromString,
        )
        return stream(request, metadata=self.connection.metadata)

    def close(self) -> None:
        """Closes the connection."""
        self._closed = True
        self.channel.close()

    def _require_open(self) -> None:
        if self._closed:
            raise InspectdError(f"the client of {self.address} was closed")

    def _method(self, call: Call[T]) -> Any:
        self._require_open()
        return self.channel.unary_unary(
            call.method,
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.answer.FromString,
        )
