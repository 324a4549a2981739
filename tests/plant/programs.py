"""The programs of the plant: started, killed and started again at the same addresses."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

# Longer than anything takes on a busy machine.
PATIENCE_S = 180.0
SITE = "plant-a"
BOX = "box-7"


def wait(what: str, done: Callable[[], object]) -> None:
    """Waits until `done`. While a connection fails, it is not done."""
    end = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(OSError):
            if done():
                return
        if time.monotonic() > end:
            raise AssertionError(f"timed out waiting for {what}")
        time.sleep(0.05)


def free_port() -> int:
    """A port of the loopback interface on which no program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether a program listens on a port."""
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def debian_program(name: str, package: str) -> str:
    """A program of a Debian package."""
    folders = ["/usr/sbin", "/usr/bin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    found = shutil.which(name, path=":".join(folders))
    if found is None:
        raise AssertionError(f"{name} is not installed: run `scripts/setup.sh` (Debian package {package})")
    return found


class Program:
    """A program with its log."""

    def __init__(self, name: str, folder: Path, command: list[str], user: str | None = None, ready: str = "", port: int = 0) -> None:
        self.name, self.command, self.port, self.ready = name, command, port, ready
        self.log = folder / f"{name}.log"
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        # As root, some servers change to their own user, or refuse to run.
        self.user = user if user and os.getuid() == 0 else None

    def start(self) -> None:
        """Starts it, and waits until it is ready."""
        begun = self.log.stat().st_size if self.log.exists() else 0
        group = pwd.getpwnam(self.user).pw_gid if self.user else None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, user=self.user, group=group,
                extra_groups=[] if self.user else None)

        def is_ready() -> bool:
            if self.process and self.process.poll() is not None:
                raise AssertionError(f"{self.name} has ended: {self.tail()}")
            logged = self.log.read_bytes()[begun:].decode(errors="replace")
            return accepts(self.port) if self.port else self.ready in logged

        wait(f"{self.name} to be ready", is_ready)

    def kill(self) -> None:
        """Kills it with SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:]) if self.log.exists() else ""


class Postgresql(Program):
    """A database server with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self.data, port = folder / "database", free_port()
        command = [debian_program("postgres", "postgresql"), "-D", str(self.data), "-k", str(self.data), "-p", str(port),
                   "-c", "listen_addresses=127.0.0.1"]
        super().__init__("postgres", folder, command, "postgres", port=port)
        self.data.mkdir()
        if self.user:
            shutil.chown(self.data, self.user, self.user)
        subprocess.run([debian_program("initdb", "postgresql"), "--no-sync", "--auth=trust", "--username=postgres",
                        "--encoding=UTF8", "--pgdata", str(self.data)], check=True, stdout=subprocess.DEVNULL, cwd="/",
                       user=self.user, extra_groups=[] if self.user else None)

    @property
    def address(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        # After a kill the other processes of the server end by themselves; until then it does not start.
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return super().start()
            except AssertionError:
                if time.monotonic() > end:
                    raise
                (self.data / "postmaster.pid").unlink(missing_ok=True)
                time.sleep(0.2)

    def kill(self) -> None:
        super().kill()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def rows(self, query: str) -> list[list[str]]:
        """The rows of a query, as texts."""
        found = subprocess.run([debian_program("psql", "postgresql"), "--csv", "--tuples-only", "--command", query, self.address],
                               check=True, capture_output=True, text=True).stdout
        return [line.split(",") for line in found.splitlines()]


class Mosquitto(Program):
    """A broker that keeps its sessions on the disk. It confirms a message before it is stored: it is stopped, not killed."""

    def kill(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None


class Subscriber:
    """`mosquitto_sub` with a session at the broker; its output is the ledger."""

    def __init__(self, folder: Path, port: int) -> None:
        self.output = folder / "messages.jsonl"
        # Kept open: the subscriber writes to it as long as the test runs.
        self.file = self.output.open("wb")
        self.process = subprocess.Popen(
            [debian_program("mosquitto_sub", "mosquitto-clients"), "-h", "127.0.0.1", "-p", str(port), "-V", "mqttv311", "-q", "1",
             "-c", "-i", "ledger", "-t", f"inspectd/{SITE}/{BOX}/+/verdict", "-F", "%p"], stdout=self.file)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.file.close()

    def records(self) -> list[dict]:
        """The complete records so far."""
        text = self.output.read_text(errors="replace")
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


class Plant:
    """All programs."""

    def __init__(self, built: Path, project: Path, folder: Path) -> None:
        self.built, self.project, self.folder = built, project, folder
        # The servers that run as other users must be able to enter it.
        folder.chmod(0o711)
        self.daemon_port, self.modbus_port, self.opcua_port = free_port(), free_port(), free_port()
        self.postgresql = Postgresql(folder)
        self.mosquitto = self._mosquitto()
        self.nats = self._nats()
        self._configure()
        self.daemon = self._product("inspectd", "inspectd.toml", '"message":"ready"')
        self.forward = self._product("inspectd-forward", "forward.toml", '"message":"ready"')
        self.modbus = self._product("inspectd-plc", "plc.toml", '"message":"ready"')
        self.opcua = self._product("inspectd-opcua", "opcua.toml", '"message":"server.endpoint"')
        self.subscriber: Subscriber | None = None

    def programs(self) -> list[Program]:
        """All of them, in the order of their start."""
        return [self.postgresql, self.mosquitto, *self.nats, self.daemon, self.forward, self.modbus, self.opcua]

    def start(self) -> None:
        for program in self.programs():
            program.start()
            if program is self.mosquitto:
                self.subscriber = Subscriber(self.folder, self.mosquitto.port)

    def stop(self) -> None:
        if self.subscriber:
            self.subscriber.stop()
        for program in reversed(self.programs()):
            program.kill()

    def _product(self, name: str, config: str, ready: str) -> Program:
        return Program(name, self.folder, [str(self.built / name), "--config", str(self.folder / config)], ready=ready)

    def _mosquitto(self) -> Program:
        port, folder = free_port(), self.folder / "broker"
        folder.mkdir()
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
            "autosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\nmax_inflight_messages 0\n")
        program = Mosquitto("mosquitto", self.folder, [debian_program("mosquitto", "mosquitto"), "-c", str(config)], "mosquitto",
                            port=port)
        if program.user:
            shutil.chown(folder, program.user)
        return program

    def _nats(self) -> list[Program]:
        ports, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
        servers = []
        for place, (port, route) in enumerate(zip(ports, routes, strict=True)):
            config = self.folder / f"nats-{place}.conf"
            others = ", ".join(f'"nats://127.0.0.1:{other}"' for other in routes)
            config.write_text(
                f'server_name: "n{place}"\nlisten: "127.0.0.1:{port}"\njetstream {{ store_dir: "{self.folder}/nats-{place}" }}\n'
                f'cluster {{ name: plant, listen: "127.0.0.1:{route}", routes: [{others}] }}\n')
            command = [debian_program("nats-server", "nats-server"), "-c", str(config)]
            servers.append(Program(f"nats-{place}", self.folder, command, port=port))
        return servers

    def _configure(self) -> None:
        bundle, daemon = json.dumps(str(self.project / "models/demo")), f'server = "http://127.0.0.1:{self.daemon_port}"'
        camera = 'source = "simulator"\nwidth = 256\nheight = 256\nprerender = 20\ndefect_rate = 0.3\n'
        (self.folder / "inspectd.toml").write_text(
            f'[server]\nlisten = "127.0.0.1:{self.daemon_port}"\nmetrics_listen = "off"\nheartbeat_interval_s = 0.5\n'
            f'[model]\nbundle = {bundle}\n[log]\nformat = "json"\n[journal]\nfolder = "journal"\nstall_timeout_s = 60\n'
            '[life]\nwatch_files = false\n[engine]\nthreads = 1\n[recipes]\nfolder = "recipes"\n'
            f'[cameras.gate]\n{camera}mode = "requested"\nfps = 20\n'
            f'[cameras.belt]\n{camera}mode = "triggered"\nfps = 4\npart_counter = true\n')
        (self.folder / "recipes").mkdir()
        (self.folder / "recipes/normal.toml").write_text(f'product = "Part"\nversion = "1"\nbundle = {bundle}\nthreshold = 0.5\n')
        servers = ", ".join(f'"nats://127.0.0.1:{server.port}"' for server in self.nats)
        retries = "timeout_s = 5\nretry_after_s = 0.1\nretry_after_max_s = 0.5\nbatch_window_ms = 20\n"
        (self.folder / "forward.toml").write_text(
            f'box = "{BOX}"\nsite = "{SITE}"\nstate_folder = "state"\n[daemon]\n{daemon}\nsilence_timeout_s = 5\n'
            '[status]\nlisten = "off"\n[log]\nformat = "json"\n'
            f'[sinks.archive]\ntype = "files"\nfolder = "archive"\n{retries}'
            f'[sinks.broker]\ntype = "mqtt"\nserver = "mqtt://127.0.0.1:{self.mosquitto.port}"\n{retries}'
            f'[sinks.fleet]\ntype = "nats"\nservers = [{servers}]\nstream = "LINE"\nreplicas = 3\n{retries}'
            f'[sinks.plant]\ntype = "postgresql"\nserver = "{self.postgresql.address}"\n{retries}')
        (self.folder / "plc.toml").write_text(
            f'[modbus]\nlisten = "127.0.0.1:{self.modbus_port}"\n[daemon]\n{daemon}\n[state]\nfolder = "plc"\n[log]\nformat = "json"\n'
            '[stations.gate]\nunit = 1\ncamera = "gate"\nverdict_timeout_ms = 300000\nacknowledge_timeout_ms = 300000\n'
            'heartbeat_timeout_ms = 60000\nreconnect_ms = 60000\n')
        password_hash = subprocess.run([str(self.built / "inspectd-opcua"), "hash-password"], input="correct horse\n", check=True,
                                       capture_output=True, text=True).stdout.strip()
        (self.folder / "opcua.toml").write_text(
            f'[server]\nendpoint = "opc.tcp://127.0.0.1:{self.opcua_port}"\nbox = "{BOX}"\n[pki]\nfolder = "pki"\n[daemon]\n{daemon}\n'
            '[log]\nformat = "json"\n[systems.belt]\ncamera = "belt"\n[systems.gate]\ncamera = "gate"\n'
            f'[users.mes]\nrole = "engineer"\npassword_hash = {json.dumps(password_hash)}\n')
        for file in self.folder.glob("*.toml"):
            tomllib.loads(file.read_text())

    def inspectctl(self, *arguments: str) -> list[dict]:
        """What `inspectctl` prints as JSON, an object in each line."""
        command = [str(self.built / "inspectctl"), "--server", f"http://127.0.0.1:{self.daemon_port}", *arguments, "--json"]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        return [json.loads(line) for line in found.stdout.splitlines()]

    def newest(self) -> int:
        """The newest sequence of the journal."""
        return int(self.inspectctl("status")[0]["sequence"])

    def wait_for_consumers(self, sequence: int) -> None:
        """Waits until all sinks have acknowledged a sequence."""
        def done() -> bool:
            try:
                consumers = self.inspectctl("consumers")
            except subprocess.CalledProcessError:
                return False
            sinks = [one for one in consumers if one["name"].startswith("forward-")]
            return len(sinks) == 4 and all(one["acknowledged"] >= sequence for one in sinks)
        wait(f"all sinks to have acknowledged {sequence}", done)
