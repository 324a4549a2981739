"""The address of a daemon: TCP, TLS or a Unix socket."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from ._errors import AddressError

_ALLOWED = "must be http://HOST:PORT, https://HOST:PORT or unix:/PATH"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a daemon."""

    address: str
    """As it is shown in errors."""
    target: str
    """As gRPC reads it."""
    tls: bool
    unix: bool
    confidential: bool
    """No other machine can read what is sent: TLS, a Unix socket or the loopback interface."""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Reads `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`. Without a scheme it is `http://`."""
        if text.startswith("unix:"):
            path = text.removeprefix("unix:").removeprefix("//")
            if not path.startswith("/"):
                raise AddressError(f"{text!r}: {_ALLOWED}")
            return cls(f"unix:{path}", f"unix://{path}", tls=False, unix=True, confidential=True)
        try:
            url = urlsplit(text if "://" in text else f"http://{text}")
            host, port = url.hostname, url.port
        except ValueError as error:
            raise AddressError(f"{text!r}: {_ALLOWED}") from error
        rest = (url.path.strip("/"), url.query, url.fragment, url.username)
        if url.scheme not in ("http", "https") or not host or port is None or any(rest):
            raise AddressError(f"{text!r}: {_ALLOWED}")
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        tls = url.scheme == "https"
        return cls(f"{url.scheme}://{place}", f"dns:///{place}", tls, unix=False, confidential=tls or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
