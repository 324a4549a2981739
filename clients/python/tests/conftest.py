"""Fixtures: a daemon that many tests share, and separate sites for tests that stop it or fill it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import BELT, JOURNAL, REVIEW, STATION, Daemon, Site

import inspectd


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a journal, a belt and a station."""
    site = Site(tmp_path_factory.mktemp("shared"), JOURNAL, REVIEW, BELT, STATION)
    with site.start() as daemon:
        yield daemon
        daemon.stop()


@pytest.fixture
def client(daemon: Daemon) -> Iterator[inspectd.Client]:
    """A client of the shared daemon."""
    with inspectd.Client(daemon.address) as client:
        yield client


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[..., Site]:
    """Makes a site with these tables."""

    def make(*tables: str, heartbeat_interval_s: float = 0.5) -> Site:
        return Site(tmp_path, *tables, heartbeat_interval_s=heartbeat_interval_s)

    return make
