"""The channel of the asyncio client, and its calls."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import grpc

from inspectd.v1 import inspection_pb2

from .._calls import STREAM_VERDICTS, Call
from .._connection import Connection
from .._errors import InspectdError, RpcFailure, from_call

T = TypeVar("T")


class Transport:
    """Sends calls with the token, and converts answers and errors."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self.connection = connection
        self.timeout_s = timeout_s
        self._channel: grpc.aio.Channel | None = None
        self._closed = False

    @property
    def address(self) -> str:
        """The address of the daemon."""
        return self.connection.endpoint.address

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel. It belongs to the event loop in which it is used first."""
        if self._closed:
            raise InspectdError(f"the client of {self.address} was closed")
        if self._channel is None:
            target, credentials = self.connection.endpoint.target, self.connection.channel_credentials
            self._channel = (
                grpc.aio.insecure_channel(target, self.connection.options)
                if credentials is None
                else grpc.aio.secure_channel(target, credentials, self.connection.options)
            )
        return self._channel

    async def answer(self, call: Call[T], limit_s: float | None = None) -> T:
        """Sends a call and waits for the answer."""
        limit_s = self.timeout_s if limit_s is None else limit_s
        method: Any = self.channel.unary_unary(
            call.method,
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.answer.FromString,
        )
        try:
            answer = await method(call.request, timeout=limit_s, metadata=self.connection.metadata)
        except grpc.aio.AioRpcError as failure:
            raise from_call(self.address, cast(RpcFailure, failure), limit_s) from None
        return call.read(answer)

    def open_stream(self, request: inspection_pb2.StreamVerdictsRequest) -> Any:
        """Begins a call of StreamVerdicts; it is iterated and cancelled."""
        stream: Any = self.channel.unary_stream(
            STREAM_VERDICTS,
            request_serializer=inspection_pb2.StreamVerdictsRequest.SerializeToString,
            response_deserializer=inspection_pb2.StreamVerdictsResponse.FromString,
        )
        return stream(request, metadata=self.connection.metadata)

    async def close(self) -> None:
        """Closes the connection."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()
