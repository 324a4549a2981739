"""What both clients need to connect: the address, the credentials, and the options of the channel."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from ._endpoint import Endpoint
from ._errors import CredentialsError

DEFAULT_ADDRESS = "http://127.0.0.1:50051"

FilePath = str | os.PathLike[str]

# Two uncompressed images of the largest camera fit. gRPC's default, 4 MiB, does not hold one of 5 Mpx.
_MESSAGE_LIMIT_BYTES = 512 << 20

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_LIMIT_BYTES),
    # A silent connection is probed after 10 s, so that a machine without power is detected, and closed 5 s later.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A daemon on the same network accepts a connection within milliseconds; a host that is switched off never does.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # The pauses between attempts are those of this package: gRPC does not add its own, of up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
    # A daemon of the line is not reached through the proxy that `http_proxy` names.
    ("grpc.enable_http_proxy", 0),
    # Clients of one process with different credentials do not share a connection.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Connection:
    """The address of a daemon, and the credentials of a client."""

    endpoint: Endpoint
    channel_credentials: grpc.ChannelCredentials | None = field(repr=False)
    metadata: tuple[tuple[str, str], ...] = field(repr=False)
    """Sent with each call: the token."""

    @property
    def options(self) -> tuple[tuple[str, int | str], ...]:
        """The options of the channel."""
        # Otherwise gRPC sends the path of a Unix socket as the host, which HTTP/2 does not allow.
        return (*_OPTIONS, ("grpc.default_authority", "localhost")) if self.endpoint.unix else _OPTIONS

    @classmethod
    def of(
        cls,
        address: str | None,
        ca: FilePath | None,
        certificate: FilePath | None,
        key: FilePath | None,
        token: str | None,
        token_file: FilePath | None,
    ) -> Connection:
        """Reads the files. Without an address, what is None is taken from the environment, as `inspectctl` does."""
        if address is None:
            address = os.environ.get("INSPECTD_SERVER", DEFAULT_ADDRESS)
            ca = ca or os.environ.get("INSPECTD_CA")
            certificate = certificate or os.environ.get("INSPECTD_CERTIFICATE")
            key = key or os.environ.get("INSPECTD_KEY")
            if token is None:
                token_file = token_file or os.environ.get("INSPECTD_TOKEN_FILE")
        if token is not None and token_file is not None:
            raise CredentialsError("token and token_file exclude each other")
        if (certificate is None) != (key is None):
            raise CredentialsError("certificate and key must be given together")
        if token_file is not None:
            token = _read(token_file).decode("utf-8", "replace")
        endpoint = Endpoint.parse(address)
        return cls(endpoint, _channel_credentials(endpoint, ca, certificate, key), _metadata(endpoint, token))


def _channel_credentials(
    endpoint: Endpoint, ca: FilePath | None, certificate: FilePath | None, key: FilePath | None
) -> grpc.ChannelCredentials | None:
    if not endpoint.tls:
        if ca is not None or certificate is not None:
            raise CredentialsError(f"{endpoint.address}: certificates require https://")
        return None
    if ca is None:
        raise CredentialsError("https:// requires the CA of the daemon's certificate")
    identity = (_read(key), _certificates(certificate)) if key and certificate else (None, None)
    return grpc.ssl_channel_credentials(_certificates(ca), *identity)


def _metadata(endpoint: Endpoint, token: str | None) -> tuple[tuple[str, str], ...]:
    if token is None:
        return ()
    token = token.strip()
    if not (token.isascii() and token.isprintable() and token and " " not in token):
        raise CredentialsError("the token must be printable ASCII without spaces, and nothing else")
    if not endpoint.confidential:
        raise CredentialsError(f"{endpoint.address}: a token is not sent over a network without TLS; use https://")
    return (("authorization", f"Bearer {token}"),)


def _read(path: FilePath) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CredentialsError(f"{os.fspath(path)}: cannot be read: {error.strerror}") from error


def _certificates(path: FilePath) -> bytes:
    content = _read(path)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise CredentialsError(f"{os.fspath(path)}: must hold certificates, PEM")
    return content
