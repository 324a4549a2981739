"""Addresses and credentials."""

from __future__ import annotations

import pytest

from inspectd import AddressError, Client, CredentialsError
from inspectd._connection import Connection
from inspectd._endpoint import Endpoint


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("http://127.0.0.1:50051", True),
        ("http://[::1]:50051/", True),
        ("box.local:50051", True),
        ("http://box", False),
        ("https://box:50051", True),
        ("https://box", False),
        ("ftp://box:50051", False),
        ("unix:/run/inspectd.sock", True),
        ("unix:///run/inspectd.sock", True),
        ("unix:run/inspectd.sock", False),
        ("unix:", False),
        ("http://box:50051/verdicts", False),
        ("http://name@box:50051", False),
        ("http://:50051", False),
        ("box:port", False),
        ("", False),
    ],
)
def test_complete_addresses_are_accepted_and_others_rejected(text, accepted):
    try:
        Endpoint.parse(text)
    except AddressError as error:
        assert not accepted, str(error)
    else:
        assert accepted


@pytest.mark.parametrize(
    ("text", "confidential"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost:1", True),
        ("http://localhost.box:1", False),
        ("http://192.0.2.1:1", False),
        ("box:1", False),
        ("https://192.0.2.1:1", True),
        ("unix:/run/inspectd.sock", True),
    ],
)
def test_plain_tcp_to_another_host_is_not_confidential(text, confidential):
    assert Endpoint.parse(text).confidential is confidential


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"address": "http://192.0.2.1:1", "token": "inspectd_abc"}, "not sent over a network without TLS"),
        ({"address": "https://192.0.2.1:1"}, "requires the CA"),
        ({"address": "http://127.0.0.1:1", "ca": "ca.pem"}, "certificates require https://"),
        ({"address": "http://127.0.0.1:1", "token": "two words"}, "without spaces"),
        ({"address": "http://127.0.0.1:1", "token": " "}, "without spaces"),
        ({"address": "http://127.0.0.1:1", "token": "a", "token_file": "b"}, "exclude each other"),
        ({"address": "http://127.0.0.1:1", "token_file": "absent"}, "absent: cannot be read"),
        ({"address": "https://box:1", "ca": "absent", "certificate": "c.pem"}, "must be given together"),
    ],
)
def test_credentials_that_cannot_be_used_are_rejected(arguments, message):
    with pytest.raises(CredentialsError, match=message):
        Client(**arguments)


def test_without_an_address_the_environment_is_read(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("inspectd_abc\n")
    monkeypatch.setenv("INSPECTD_SERVER", "http://127.0.0.1:7")
    monkeypatch.setenv("INSPECTD_TOKEN_FILE", str(tmp_path / "token"))
    connection = Connection.of(None, None, None, None, None, None)
    assert connection.endpoint.address == "http://127.0.0.1:7"
    assert connection.metadata == (("authorization", "Bearer inspectd_abc"),)
    explicit = Connection.of("http://127.0.0.1:8", None, None, None, None, None)
    assert (explicit.endpoint.address, explicit.metadata) == ("http://127.0.0.1:8", ())


def test_token_is_not_in_the_text_of_a_connection():
    connection = Connection.of("http://127.0.0.1:8", None, None, None, "inspectd_abc", None)
    assert "inspectd_abc" not in repr(connection)
