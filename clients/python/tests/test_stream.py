"""Streams of verdicts from the real daemon, which is killed, stopped and paused."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice

import pytest
from harness import BELT, JOURNAL, PATIENCE_S, REVIEW, STATION, wait_for

from inspectd import (
    Aborted,
    Client,
    Decision,
    Disconnected,
    FailedPrecondition,
    Gap,
    GapReason,
    Heartbeat,
    NotFound,
    OutOfRange,
    Reconnected,
    Unavailable,
    Verdict,
    VerdictQuery,
)


def sequences(stream, count):
    """The sequences of the next verdicts."""
    taken = list(islice(stream, count))
    assert all(isinstance(one, Verdict) for one in taken), taken
    return [one.sequence for one in taken]


def stored(client, first, last):
    """The sequences of the journal in this range."""
    query = VerdictQuery(from_sequence=first, to_sequence=last, oldest_first=True, page_size=50)
    return [verdict.sequence for verdict in client.stored_verdicts(query)]


def acknowledged(client, name):
    return next((one.acknowledged for one in client.consumers() if one.name == name), None)


def readers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("inspectd-")]


def test_verdicts_are_delivered_in_order_with_score_and_decision(client):
    expected = {"a.png": Decision.PASS, "b.png": Decision.REJECT, "c.png": Decision.REVIEW}
    with client.verdicts(start="next", cameras=["belt"]) as stream:
        verdicts = list(islice(stream, 9))
        assert stream.connected
        assert stream.last_sequence == verdicts[-1].sequence
    for verdict in verdicts:
        assert isinstance(verdict, Verdict)
        assert verdict.decision is expected[verdict.source_item]
        assert verdict.score is not None
        assert (verdict.score.value > 0.6) == (verdict.decision is Decision.REJECT)
        assert verdict.score.review_from == pytest.approx(0.53)
        assert verdict.model.name == "cells"
        assert verdict.timings.total is not None and timedelta() < verdict.timings.total
        assert verdict.capture_time.utcoffset() == timedelta()
    rejects = [verdict for verdict in verdicts if verdict.decision is Decision.REJECT]
    assert all(verdict.regions and verdict.regions[0].peak > 0.6 for verdict in rejects)


def test_filter_by_decision_delivers_only_these(client):
    with client.verdicts(start="next", decisions=[Decision.REJECT, Decision.REVIEW]) as stream:
        decisions = {verdict.decision for verdict in islice(stream, 6)}
    assert decisions == {Decision.REJECT, Decision.REVIEW}


def test_stream_starts_at_a_sequence_a_time_and_the_oldest(client):
    with client.verdicts(start="oldest") as stream:
        first = next(stream)
    assert isinstance(first, Verdict)
    assert first.sequence == 1
    with client.verdicts(start=3) as stream:
        third = next(stream)
    assert isinstance(third, Verdict)
    assert third.sequence == 3
    with client.verdicts(start=third.record_time) as stream:
        at_time = next(stream)
    assert isinstance(at_time, Verdict)
    # Verdicts that one write recorded have the same time; a datetime has microseconds.
    assert at_time.sequence <= 3
    assert abs(at_time.record_time - third.record_time) <= timedelta(microseconds=1)


def test_consumer_misses_nothing_and_receives_nothing_twice_when_the_daemon_is_killed(make_site):
    site = make_site(JOURNAL, REVIEW, BELT)
    daemon = site.start()
    listen = daemon.listen
    received = []
    with Client(daemon.address) as client, client.verdicts("mes") as stream:
        received += sequences(stream, 20)
        for _ in range(2):
            daemon.kill()
            daemon = site.start(SERVER__LISTEN=listen)
            received += sequences(stream, 30)
        assert received == stored(client, 1, received[-1])
        stream.close()
        # The loop has not requested the next one, so the last one is not processed.
        assert stream.acknowledged == received[-2]
        assert acknowledged(client, "mes") == received[-2]
    daemon.stop()


def test_stream_from_a_sequence_resumes_after_a_stop_and_reports_the_outage(make_site):
    site = make_site(JOURNAL, REVIEW, BELT)
    daemon = site.start()
    events = []
    with Client(daemon.address) as client, client.events(start=1) as stream:
        events += islice(stream, 20)
        daemon.stop()
        # What was sent before it stopped is delivered first.
        while not isinstance(events[-1], Disconnected):
            events.append(next(stream))
        assert isinstance(events[-1].error, Unavailable)
        assert "stopping" in str(events[-1].error)
        daemon = site.start(SERVER__LISTEN=daemon.listen)
        while not isinstance(events[-1], Reconnected):
            events.append(next(stream))
            assert isinstance(events[-1], (Disconnected, Reconnected)), events[-1]
        events += islice(stream, 20)
        received = [event.sequence for event in events if isinstance(event, Verdict)]
        assert received == stored(client, 1, received[-1])
    daemon.stop()


SECOND_PROCESS = """
import os, sys, time
import inspectd

with inspectd.Client() as client:
    for verdict in client.verdicts("archive"):
        print(verdict.sequence, flush=True)
        if verdict.sequence == 20:
            time.sleep(600)
"""


def test_killed_process_resumes_after_what_it_has_acknowledged(make_site):
    with make_site(JOURNAL, REVIEW, BELT).start() as daemon, Client(daemon.address) as client:
        with subprocess.Popen(
            [sys.executable, "-c", SECOND_PROCESS],
            env={"INSPECTD_SERVER": daemon.address},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            first = [int(process.stdout.readline()) for _ in range(20)]
            assert first == stored(client, 1, 20)
            # It is processing the last one, for as long as it takes; the ones before are acknowledged.
            wait_for("the acknowledgement", lambda: acknowledged(client, "archive") == 19)
            process.kill()
        with client.verdicts("archive") as stream:
            again = sequences(stream, 40)
        assert again == stored(client, 20, again[-1])


def test_verdict_at_which_a_loop_ends_is_acknowledged_only_if_the_loop_says_so(client):
    for name, says_so in (("breaks", False), ("processes", True)):
        with client.verdicts(name) as stream:
            for verdict in stream:
                if verdict.sequence == 3:
                    if says_so:
                        stream.acknowledge()
                    break
        assert acknowledged(client, name) == (3 if says_so else 2)
        client.forget_consumer(name)


def test_without_automatic_acknowledgement_the_caller_acknowledges_from_another_thread(client):
    with client.verdicts("manual", acknowledge=False) as stream:
        assert sequences(stream, 10) == list(range(1, 11))
        worker = threading.Thread(target=stream.acknowledge, args=(7,))
        worker.start()
        worker.join()
        with pytest.raises(ValueError, match="has not delivered 11; the last is 10"):
            stream.acknowledge(11)
        wait_for("the acknowledgement", lambda: stream.acknowledged == 7)
    assert acknowledged(client, "manual") == 7
    client.forget_consumer("manual")
    with client.verdicts() as stream, pytest.raises(ValueError, match="consumer=NAME"):
        stream.acknowledge(1)


def test_loop_that_is_left_ends_its_thread_and_acknowledges(client):
    before = len(readers())
    for verdict in client.verdicts("left"):
        if verdict.sequence >= 50:
            break
    # Nothing refers to the stream.
    gc.collect()
    wait_for("the end of the thread", lambda: len(readers()) == before)
    wait_for("the acknowledgement", lambda: acknowledged(client, "left") == verdict.sequence - 1)
    client.forget_consumer("left")


def test_second_stream_of_a_consumer_ends_the_first_one(client):
    with client.verdicts("twice") as first, client.verdicts("twice") as second:
        next(first)
        next(second)
        with pytest.raises(Aborted, match="newer stream of this consumer"):
            for _ in first:
                pass
        next(second)
        assert list(first) == [], "it has ended"
    client.forget_consumer("twice")


def test_removed_verdicts_are_reported_with_the_range_that_is_kept(make_site):
    fast = BELT.replace("fps = 100.0", 'pace = "fast"')
    site = make_site(JOURNAL + "max_mib = 1\n[evidence]\ndisk_mib = 0\n", REVIEW, fast)
    with site.start() as daemon, Client(daemon.address) as client:
        with client.verdicts("mes") as stream:
            sequences(stream, 5)

        def oldest():
            journal = client.status().journal
            return journal is not None and journal.oldest_sequence > 10

        wait_for("the removal of verdicts", oldest)
        with client.verdicts(start=2) as stream, pytest.raises(OutOfRange):
            next(stream)
        with client.verdicts("mes") as stream, pytest.raises(OutOfRange, match="has aged out") as raised:
            next(stream)
        error = raised.value
        assert 10 < error.oldest <= error.newest
        # As the README says: continue with the oldest stored verdict.
        client.acknowledge("mes", error.newest - 1)
        with client.verdicts("mes") as stream:
            assert sequences(stream, 1) == [error.newest]


def test_slow_client_without_a_journal_receives_a_gap(make_site):
    site = make_site(REVIEW, STATION, "[evidence]\nmemory_mib = 0\n")
    with site.start(SERVER__STREAM_BACKLOG="16") as daemon, Client(daemon.address) as client:

        def inspect(_):
            # So large that 3000 verdicts do not fit into the buffers of the connection.
            return client.trigger("station", client_data=bytes(4096), wait=PATIENCE_S)

        with client.events() as stream, ThreadPoolExecutor(8) as pool:
            assert isinstance(next(stream), Heartbeat)
            newest = max(result.verdict.sequence for result in pool.map(inspect, range(3000)))
            received = 0
            for event in stream:
                if isinstance(event, Gap):
                    break
                if isinstance(event, Verdict):
                    received += 1
                    assert event.sequence == received
                    assert event.sequence < newest
            assert event.missed > 0
            assert event.reason is GapReason.UNSPECIFIED
            after = next(one for one in stream if isinstance(one, Verdict))
            assert after.sequence == received + event.missed + 1


def test_silent_daemon_is_noticed_by_its_missing_heartbeats(make_site):
    site = make_site(JOURNAL, REVIEW, BELT, heartbeat_interval_s=0.2)
    with site.start() as daemon, Client(daemon.address) as client:
        with client.events(start=1, silence_timeout=1.5) as stream:
            events = list(islice(stream, 20))
            daemon.signal(signal.SIGSTOP)
            begun = time.monotonic()
            while not isinstance(events[-1], Disconnected):
                events.append(next(stream))
            assert 1.4 < time.monotonic() - begun < PATIENCE_S
            assert "sent nothing for 1.5 s" in str(events[-1].error)
            assert not stream.connected
            daemon.signal(signal.SIGCONT)
            events += islice(stream, 60)
            received = [event.sequence for event in events if isinstance(event, Verdict)]
            assert received == stored(client, 1, received[-1])


def test_heartbeats_of_an_idle_line_keep_the_stream_open(make_site):
    site = make_site(JOURNAL, BELT.replace('"triggered"', '"requested"'), heartbeat_interval_s=0.1)
    with site.start() as daemon, Client(daemon.address) as client:
        with client.events(silence_timeout=2.0) as stream:
            events = []
            begun = time.monotonic()
            while time.monotonic() - begun < 2.5:
                events.append(next(stream))
    assert all(isinstance(event, Heartbeat) for event in events), events
    assert {event.epoch for event in events} == {1}


def test_close_from_another_thread_ends_the_loop(make_site):
    site = make_site(JOURNAL, BELT.replace('"triggered"', '"requested"'))
    with site.start() as daemon, Client(daemon.address) as client:
        stream = client.verdicts()
        closing = threading.Timer(0.3, stream.close)
        closing.start()
        begun = time.monotonic()
        assert list(stream) == []
        assert 0.2 < time.monotonic() - begun < PATIENCE_S
        closing.join(PATIENCE_S)
        assert not closing.is_alive()


@contextmanager
def on_alarm(handler):
    """Calls the handler every half second."""
    previous = signal.signal(signal.SIGALRM, lambda *_: handler())
    signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_signal_handler_may_close_the_stream(client):
    with client.verdicts("signals") as stream:

        def close():
            if stream.last_sequence > 0:
                stream.close()

        with on_alarm(close):
            received = [verdict.sequence for verdict in stream]
    assert received == list(range(1, len(received) + 1))
    # If the signal arrives while the loop waits, all were processed. Otherwise the last one was not.
    assert received[-1] - acknowledged(client, "signals") in (0, 1)
    client.forget_consumer("signals")


def test_error_of_a_signal_handler_ends_the_stream(client):
    def interrupt():
        raise KeyboardInterrupt

    with client.verdicts(decisions=[Decision.FAULT]) as stream:
        with pytest.raises(KeyboardInterrupt), on_alarm(interrupt):
            next(stream)
        assert list(stream) == []


def test_closed_client_closes_its_streams(daemon):
    client = Client(daemon.address)
    stream = client.verdicts("closed")
    received = sequences(stream, 5)
    client.close()
    assert list(stream) == []
    with Client(daemon.address) as client:
        assert acknowledged(client, "closed") == received[-2]
        client.forget_consumer("closed")


def test_stream_waits_for_a_daemon_that_starts_later(make_site):
    site = make_site(JOURNAL, REVIEW, BELT)
    daemon = site.start()
    daemon.stop()
    with Client(daemon.address) as client, client.events(start=1) as stream:
        first = next(stream)
        assert isinstance(first, Disconnected)
        assert f"no daemon answers at {daemon.address}" in str(first.error) or "refused" in str(first.error)
        with pytest.raises(Unavailable, match=f"no daemon answers at {daemon.address}"):
            client.status()
        with pytest.raises(Unavailable):
            next(client.verdicts(reconnect=None))
        with site.start(SERVER__LISTEN=daemon.listen):
            verdict = next(event for event in stream if isinstance(event, Verdict))
            assert verdict.sequence == 1


def test_error_that_cannot_pass_is_raised_once(client):
    stream = client.verdicts(cameras=["absent"])
    with pytest.raises(NotFound, match="camera absent"):
        next(stream)
    assert list(stream) == []


def test_consumer_without_a_journal_is_refused(make_site):
    with make_site(REVIEW, BELT).start() as daemon, Client(daemon.address) as client:
        with client.verdicts("mes") as stream, pytest.raises(FailedPrecondition, match="no journal is configured"):
            next(stream)


def test_consumer_with_a_start_and_cameras_as_a_text_are_rejected(client):
    with pytest.raises(ValueError, match="exclude each other"):
        client.verdicts("mes", start="oldest")
    with pytest.raises(TypeError, match="list of ids"):
        client.verdicts(cameras="belt")
