"""The client for asyncio, with the real daemon."""

from __future__ import annotations

import asyncio
import gc
import signal
import time

import pytest
from harness import BELT, JOURNAL, PATIENCE_S, REVIEW, spot

from inspectd import (
    Aborted,
    Decision,
    Disconnected,
    LabelKind,
    NotFound,
    OutOfRange,
    Reconnected,
    Unavailable,
    Verdict,
    VerdictQuery,
    aio,
)
from inspectd.aio import _tasks


async def take(stream, count):
    """The next items."""
    return [await asyncio.wait_for(anext(stream), PATIENCE_S) for _ in range(count)]


async def sequences(stream, count):
    return [one.sequence for one in await take(stream, count)]


async def stored(client, first, last):
    query = VerdictQuery(from_sequence=first, to_sequence=last, oldest_first=True, page_size=50)
    return [verdict.sequence async for verdict in client.stored_verdicts(query)]


async def acknowledged(client, name):
    return next((one.acknowledged for one in await client.consumers() if one.name == name), None)


@pytest.fixture
async def client(daemon):
    async with aio.Client(daemon.address) as client:
        yield client


async def test_verdicts_are_delivered_and_acknowledged(client):
    async with client.verdicts("aio") as stream:
        async for verdict in stream:
            assert isinstance(verdict, Verdict)
            if verdict.sequence == 20:
                stream.acknowledge()
                break
    assert stream.acknowledged == 20
    assert await acknowledged(client, "aio") == 20
    async with client.verdicts("aio") as stream:
        assert await sequences(stream, 2) == [21, 22]
    await client.forget_consumer("aio")


async def test_consumer_misses_nothing_and_receives_nothing_twice_when_the_daemon_is_killed(make_site):
    site = make_site(JOURNAL, REVIEW, BELT)
    daemon = site.start()
    listen = daemon.listen
    async with aio.Client(daemon.address) as client, client.verdicts("mes") as stream:
        received = await sequences(stream, 20)
        daemon.kill()
        daemon = await asyncio.to_thread(site.start, SERVER__LISTEN=listen)
        received += await sequences(stream, 40)
        assert received == await stored(client, 1, received[-1])
        await stream.close()
        assert stream.acknowledged == received[-2]
    daemon.stop()


async def test_silent_daemon_is_noticed_by_its_missing_heartbeats(make_site):
    site = make_site(JOURNAL, REVIEW, BELT, heartbeat_interval_s=0.2)
    with site.start() as daemon:
        async with aio.Client(daemon.address) as client, client.events(start=1, silence_timeout=1.5) as stream:
            events = await take(stream, 20)
            daemon.signal(signal.SIGSTOP)
            while not isinstance(events[-1], Disconnected):
                events += await take(stream, 1)
            assert "sent nothing for 1.5 s" in str(events[-1].error)
            daemon.signal(signal.SIGCONT)
            while not isinstance(events[-1], Reconnected):
                events += await take(stream, 1)
            events += await take(stream, 20)
            received = [event.sequence for event in events if isinstance(event, Verdict)]
            assert received == await stored(client, 1, received[-1])


async def test_waiting_for_a_verdict_can_be_cancelled_without_loss(client):
    received = []
    async with client.verdicts(start=1) as stream:
        while len(received) < 60:
            # Some waits end before the next verdict arrives.
            try:
                received.append((await asyncio.wait_for(anext(stream), 0.004)).sequence)
            except asyncio.TimeoutError:
                pass
    assert received == list(range(1, 61))


async def test_close_by_another_task_ends_the_loop(client):
    stream = client.verdicts(decisions=[Decision.FAULT])

    async def read():
        return [verdict async for verdict in stream]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.3)
    await stream.close()
    assert await asyncio.wait_for(reading, PATIENCE_S) == []


async def test_loop_that_is_left_ends_its_task_and_acknowledges(client):
    async for verdict in client.verdicts("left-aio"):
        if verdict.sequence >= 50:
            break
    gc.collect()
    end = time.monotonic() + PATIENCE_S
    while _tasks.RUNNING or await acknowledged(client, "left-aio") != verdict.sequence - 1:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
    await client.forget_consumer("left-aio")


async def test_errors_are_those_of_the_blocking_client(client):
    async with client.verdicts(start=1 << 40) as stream:
        with pytest.raises(OutOfRange) as raised:
            await anext(stream)
        assert raised.value.oldest == 1
    with pytest.raises(NotFound):
        await client.evidence(1 << 40)
    async with client.verdicts("twice-aio") as first, client.verdicts("twice-aio") as second:
        await anext(first)
        await anext(second)
        with pytest.raises(Aborted):
            async for _ in first:
                pass
    await client.forget_consumer("twice-aio")
    async with aio.Client("http://127.0.0.1:1") as absent:
        with pytest.raises(Unavailable, match="no daemon answers at http://127.0.0.1:1"):
            await absent.status()


async def test_calls_have_the_answers_of_the_blocking_client(client):
    assert (await client.status()).model.name == "cells"
    assert [camera.id for camera in await client.cameras()] == ["belt", "station"]
    verdict = await client.inspect(spot(255))
    assert verdict.decision is Decision.REJECT
    evidence = await client.evidence(verdict.sequence)
    assert evidence.frame is not None
    assert evidence.frame.numpy().shape == (64, 64, 3)
    label = await client.label(verdict.sequence, LabelKind.DEFECTIVE, defect_class="scratch")
    assert label is not None
    assert verdict.sequence in [one.sequence async for one in client.labels()]
    await client.label(verdict.sequence, LabelKind.UNSPECIFIED)
    first = await client.trigger("station", part_id="A-1", idempotency_key="a-1", wait=30)
    second = await client.trigger("station", part_id="A-1", idempotency_key="a-1", wait=30, retry_within=30)
    assert (first.repeated, second.repeated) == (False, True)
    assert first.verdict == second.verdict
    consumer = await client.acknowledge("aio-calls", 1)
    assert consumer.acknowledged == 1
    await client.forget_consumer("aio-calls")
