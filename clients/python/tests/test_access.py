"""TLS, certificates, tokens, roles and the Unix socket."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import BELT, JOURNAL, REVIEW, Daemon, Site, inspectd, openssl

from inspectd import Client, PermissionDenied, Unauthenticated, Unavailable, aio

TLS = '[tls]\ncertificate = "daemon.pem"\nkey = "daemon.key"\nclient_ca = "ca.pem"\n'
ACCESS = '[access]\nclients = "clients.toml"\n'


@dataclass
class Plant:
    """A daemon with TLS, and what its clients need."""

    folder: Path
    daemon: Daemon
    tokens: dict[str, str]

    @property
    def address(self) -> str:
        return f"https://{self.daemon.listen}"

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def client(self, role: str) -> Client:
        return Client(self.address, ca=self.ca, token=self.tokens[role])


def certify(folder: Path, name: str, extensions: str) -> None:
    """Makes NAME.pem and NAME.key, as docs/access.md says."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key")
    openssl("req", *key, "-subj", f"/CN={name}", "-out", f"{name}.csr", cwd=folder)
    (folder / f"{name}.ext").write_text(extensions)
    authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    output = ("-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    openssl("x509", "-req", "-in", f"{name}.csr", *authority, *output, cwd=folder)


def create_token(role: str) -> tuple[str, str]:
    """A token, and its table in the file of clients."""
    command = [str(inspectd()), "token", "create", "--name", f"{role}-t", "--role", role]
    created = subprocess.run(command, check=True, capture_output=True, text=True)
    table = re.search(r"\[\[client\]\].*", created.stderr, re.DOTALL)
    assert table is not None, created.stderr
    return created.stdout.strip(), table[0]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("plant")
    site = Site(folder, JOURNAL, REVIEW, BELT, TLS, ACCESS)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-days", "2", "-subj", "/CN=CA", "-keyout", "ca.key", "-out", "ca.pem", cwd=folder)
    certify(folder, "daemon", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    certify(folder, "hmi", "subjectAltName=DNS:hmi.line\nextendedKeyUsage=clientAuth\n")
    created = {role: create_token(role) for role in ("viewer", "operator")}
    tables = [table for _, table in created.values()]
    tables.append('[[client]]\nname = "hmi"\nrole = "operator"\ncertificate = "hmi.line"\n')
    (folder / "clients.toml").write_text("\n".join(tables))
    with site.start(SERVER__UNIX_SOCKET=str(folder / "socket")) as daemon:
        yield Plant(folder, daemon, {role: token for role, (token, _) in created.items()})


def test_token_over_tls_identifies_the_client(plant):
    with plant.client("operator") as client, client.verdicts("mes") as stream:
        assert next(stream).sequence == 1
        [consumer] = client.consumers()
        assert (consumer.name, consumer.client) == ("mes", "operator-t")


def test_role_that_may_not_is_refused_with_the_role_that_may(plant):
    with plant.client("viewer") as client:
        assert client.status().cameras
        with pytest.raises(PermissionDenied, match="requires the role operator") as raised:
            client.acknowledge("viewer", 1)
        assert raised.value.needed_role == "operator"
        with client.verdicts("viewer") as stream, pytest.raises(PermissionDenied):
            next(stream)
        with client.verdicts(start="oldest") as stream:
            assert next(stream).sequence == 1


def test_certificate_identifies_the_client(plant):
    files = {"certificate": plant.folder / "hmi.pem", "key": plant.folder / "hmi.key"}
    with Client(plant.address, ca=plant.ca, **files) as client:
        client.verdicts("hmi").close()
        client.acknowledge("hmi", 1)
        assert "hmi" in [consumer.client for consumer in client.consumers()]


def test_client_without_credentials_is_refused(plant):
    with Client(plant.address, ca=plant.ca) as client:
        with pytest.raises(Unauthenticated):
            client.status()
        with client.verdicts() as stream, pytest.raises(Unauthenticated):
            next(stream)
    with Client(plant.address, ca=plant.ca, token="inspectd_wrong") as client, pytest.raises(Unauthenticated):
        client.status()


def test_daemon_of_another_ca_is_not_trusted(plant):
    # The certificate of the client is not the CA.
    with Client(plant.address, ca=plant.folder / "hmi.pem") as client, pytest.raises(Unavailable):
        client.status()


def test_environment_names_the_address_and_the_files(plant, monkeypatch):
    (plant.folder / "token").write_text(plant.tokens["viewer"] + "\n")
    monkeypatch.setenv("INSPECTD_SERVER", plant.address)
    monkeypatch.setenv("INSPECTD_CA", str(plant.ca))
    monkeypatch.setenv("INSPECTD_TOKEN_FILE", str(plant.folder / "token"))
    with Client() as client:
        assert client.address == plant.address
        assert client.status().cameras


def test_unix_socket_needs_no_credentials(plant):
    with Client(f"unix:{plant.folder / 'socket'}") as client:
        assert client.status().cameras
        with client.verdicts(start="oldest") as stream:
            assert next(stream).sequence == 1


async def test_asyncio_client_uses_token_and_certificate(plant):
    async with aio.Client(plant.address, ca=plant.ca, token=plant.tokens["viewer"]) as client:
        assert (await client.status()).cameras
        async with client.verdicts(start="oldest") as stream:
            assert (await anext(stream)).sequence == 1
        with pytest.raises(PermissionDenied):
            await client.acknowledge("viewer", 1)
    files = {"certificate": plant.folder / "hmi.pem", "key": plant.folder / "hmi.key"}
    async with aio.Client(plant.address, ca=plant.ca, **files) as client:
        assert (await client.consumers()) is not None
