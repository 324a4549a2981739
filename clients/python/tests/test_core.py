"""The parts without IO, by tables."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from inspectd import (
    Aborted,
    Backoff,
    Cancelled,
    Disconnected,
    ErrorDetails,
    Gap,
    Heartbeat,
    InspectdError,
    NotFound,
    OutOfRange,
    Reconnected,
    ResourceExhausted,
    SequencesRestarted,
    Unavailable,
    Verdict,
)
from inspectd._acknowledgements import Acknowledgements, Done, Send, Wait
from inspectd._backoff import Retries
from inspectd._position import Position
from inspectd._session import Filter, Patience, Session
from inspectd._steps import (
    AcknowledgeRefused,
    Asked,
    Cancel,
    CloseAsked,
    Ended,
    Failed,
    Finished,
    NewestRead,
    Open,
    ReadNewest,
    Received,
)
from inspectd.v1.inspection_pb2 import GAP_REASON_LOST, StreamVerdictsRequest, StreamVerdictsResponse

LOST = Unavailable("the stream ended: connection reset")


def verdict(sequence: int, run_id: str = "a") -> StreamVerdictsResponse:
    message = StreamVerdictsResponse()
    message.verdict.sequence = sequence
    message.verdict.run_id = run_id
    for name in ("capture_time", "record_time", "capture_monotonic", "model", "timings"):
        getattr(message.verdict, name).SetInParent()
    return message


def heartbeat(sequence: int) -> StreamVerdictsResponse:
    message = StreamVerdictsResponse()
    message.heartbeat.sequence = sequence
    message.heartbeat.time.SetInParent()
    return message


def lost(first: int, last: int) -> StreamVerdictsResponse:
    message = StreamVerdictsResponse()
    message.gap.missed = last + 1 - first
    message.gap.reason = GAP_REASON_LOST
    message.gap.first_sequence, message.gap.last_sequence = first, last
    return message


def refusal(kind: type[InspectdError]) -> InspectdError:
    return kind("CODE", "refused", ErrorDetails())


def request_of(position: Position) -> StreamVerdictsRequest:
    request = StreamVerdictsRequest()
    position.fill(request)
    return request


TIME = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("start", "consumer", "messages", "expected"),
    [
        ("live", None, [], StreamVerdictsRequest()),
        ("live", None, [verdict(7)], StreamVerdictsRequest()),
        ("oldest", None, [], StreamVerdictsRequest(from_sequence=0)),
        ("oldest", None, [verdict(7)], StreamVerdictsRequest(from_sequence=8)),
        (3, None, [], StreamVerdictsRequest(from_sequence=3)),
        (3, None, [verdict(7)], StreamVerdictsRequest(from_sequence=8)),
        (3, None, [verdict(7), verdict(0)], StreamVerdictsRequest(from_sequence=8)),
        (3, None, [verdict(7), lost(8, 90)], StreamVerdictsRequest(from_sequence=91)),
        (3, None, [heartbeat(90)], StreamVerdictsRequest(from_sequence=3)),
        (3, None, [heartbeat(90), heartbeat(120)], StreamVerdictsRequest(from_sequence=91)),
        (TIME, None, [], StreamVerdictsRequest(from_time=Timestamp(seconds=int(TIME.timestamp())))),
        (TIME, None, [verdict(7)], StreamVerdictsRequest(from_sequence=8)),
        ("next", "mes", [verdict(7)], StreamVerdictsRequest(consumer="mes")),
    ],
)
def test_reconnection_requests_what_follows_the_last_verdict(start, consumer, messages, expected):
    position = Position(start, consumer)
    for message in messages:
        position.apply(message)
    assert request_of(position) == expected
    # An unset start differs from the sequence 0.
    assert request_of(position).WhichOneof("start") == expected.WhichOneof("start")


def test_first_heartbeat_of_a_connection_does_not_move_the_position():
    position = Position(3, None)
    position.apply(heartbeat(90))
    position.connected()
    position.apply(heartbeat(200))
    assert request_of(position).from_sequence == 3


@pytest.mark.parametrize(("newest", "start"), [(9, 10), (0, 1), (None, "live")])
def test_next_is_after_the_newest_with_a_journal_and_live_without(newest, start):
    position = Position("next", None)
    assert position.requires_newest
    position.begin_after(newest)
    assert not position.requires_newest
    assert position.start == start


def test_consumer_receives_nothing_twice_in_one_stream():
    position = Position("next", "mes")
    messages = [verdict(5), lost(6, 8), verdict(9), verdict(0), verdict(5), lost(6, 8), verdict(9), verdict(10)]
    received = [position.apply(message) for message in messages]
    assert [one and getattr(one, "sequence", "gap") for one in received] == [5, "gap", 9, 0, None, None, None, 10]


def test_received_sequence_of_another_run_is_an_error():
    position = Position("next", "mes")

    def apply(run, sequence):
        return position.apply(verdict(sequence, run))

    for run, sequence in [("a", 1), ("a", 2), ("b", 3), ("b", 7), ("c", 8)]:
        assert apply(run, sequence) is not None
    for run, sequence in [("a", 2), ("b", 3), ("b", 7), ("c", 8)]:
        assert apply(run, sequence) is None
    for run, sequence in [("d", 1), ("a", 3), ("b", 8)]:
        with pytest.raises(SequencesRestarted) as raised:
            apply(run, sequence)
        assert raised.value.sequence == sequence


def test_stream_ends_if_sequences_begin_again():
    driver = Driver(start="next", consumer="mes")
    connection = driver.open()
    for run in ("a", "b"):
        commands, outcomes = driver.step(Received(connection, verdict(1, run)))
    assert commands == [Cancel(connection)]
    [failed] = outcomes
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, SequencesRestarted)
    assert driver.finished


@pytest.mark.parametrize("start", [-1, True, "first", 1 << 64, datetime(2026, 11, 30)])
def test_start_that_is_no_start_is_rejected(start):
    with pytest.raises(ValueError, match="start"):
        Position(start, None)


@pytest.mark.parametrize(
    ("failures", "random", "expected"),
    [(0, 0.0, 0.25), (0, 1.0, 0.125), (1, 0.0, 0.5), (4, 0.0, 4.0), (5, 0.0, 5.0), (10_000, 0.5, 3.75)],
)
def test_pause_doubles_up_to_the_maximum_less_a_random_part(failures, random, expected):
    assert Backoff().pause_s(failures, LOST, random) == expected


def test_pause_is_not_shorter_than_the_daemon_asks_for():
    error = ResourceExhausted("RESOURCE_EXHAUSTED", "wait", ErrorDetails(retry_after_s=7.5))
    assert Backoff().pause_s(0, error, 0.0) == 7.5


def test_call_is_repeated_after_transient_errors_until_the_limit():
    retries = Retries(until=10.0)
    assert retries.pause_s(LOST, 0.0, 0.0) == 0.25
    assert retries.pause_s(LOST, 1.0, 0.0) == 0.5
    assert retries.pause_s(LOST, 9.0, 0.0) is None
    assert Retries(until=10.0).pause_s(refusal(NotFound), 0.0, 0.0) is None
    assert Retries(until=0.0).pause_s(LOST, 0.0, 0.0) is None


class Driver:
    """A session with a clock that the test sets."""

    def __init__(self, start="live", consumer=None, reconnect: Backoff | None = Backoff()):
        self.now = 0.0
        self.session = Session(
            position=Position(start, consumer),
            filter=Filter(),
            patience=Patience(answer_s=10.0, silence_s=15.0),
            reconnect=reconnect,
            random=lambda: 0.0,
        )

    def step(self, happened, at=None):
        """Returns the commands and outcomes after what happened."""
        self.now = self.now if at is None else at
        self.session.handle(self.now, happened)
        outcomes = []
        while (outcome := self.session.take_outcome()) is not None and outcome != Finished():
            outcomes.append(outcome)
        return self.session.take_commands(), outcomes

    def open(self):
        """Asks, and receives the first heartbeat."""
        [command], _ = self.step(Asked())
        assert isinstance(command, Open)
        self.step(Received(command.connection, heartbeat(0)))
        return command.connection

    @property
    def finished(self):
        return self.session.take_outcome() == Finished()


def test_stream_reconnects_after_a_pause_and_says_so():
    driver = Driver(start=3)
    connection = driver.open()
    _, [first] = driver.step(Received(connection, verdict(3)))
    assert isinstance(first, Verdict)
    _, [disconnected] = driver.step(Ended(connection, LOST))
    assert disconnected == Disconnected(LOST, 0.25)
    assert driver.step(Asked()) == ([], [])
    assert driver.session.deadline() == 0.25
    assert driver.step(None, at=0.2) == ([], [])
    [command], _ = driver.step(None, at=0.25)
    assert command.request == StreamVerdictsRequest(from_sequence=4)
    # The next pauses are longer, until a message arrives.
    _, [disconnected] = driver.step(Ended(command.connection, LOST))
    assert disconnected.retry_in_s == 0.5
    [command], _ = driver.step(None, at=0.75)
    _, events = driver.step(Received(command.connection, heartbeat(9)))
    assert [type(event) for event in events] == [Reconnected, Heartbeat]
    _, [disconnected] = driver.step(Ended(command.connection, LOST))
    assert disconnected.retry_in_s == 0.25


def test_silent_stream_is_cancelled_and_what_it_still_delivers_is_ignored():
    driver = Driver()
    connection = driver.open()
    assert driver.step(None, at=14.9) == ([], [])
    [command], [disconnected] = driver.step(None, at=15.0)
    assert command == Cancel(connection)
    assert "sent nothing for 15 s" in str(disconnected.error)
    assert driver.step(Received(connection, verdict(1))) == ([], [])
    assert driver.step(Ended(connection, refusal(Cancelled))) == ([], [])


def test_messages_that_wait_are_taken_before_the_stream_counts_as_silent():
    driver = Driver()
    connection = driver.open()
    driver.step(Received(connection, verdict(1)), at=1.0)
    # The loop processed for a minute; its driver takes what has arrived first.
    driver.step(Asked(), at=60.0)
    _, [second] = driver.step(Received(connection, verdict(2)))
    assert second.sequence == 2
    assert driver.session.deadline() == 75.0


def test_stream_that_does_not_open_is_cancelled_after_the_time_for_an_answer():
    driver = Driver()
    [command], _ = driver.step(Asked())
    commands, [disconnected] = driver.step(None, at=10.0)
    assert commands == [Cancel(command.connection)]
    assert "sent nothing for 10 s" in str(disconnected.error)


@pytest.mark.parametrize("error", [refusal(NotFound), refusal(OutOfRange), refusal(Aborted)])
def test_error_that_cannot_pass_ends_the_stream(error):
    driver = Driver(consumer="mes")
    connection = driver.open()
    assert driver.step(Ended(connection, error)) == ([], [Failed(error)])
    assert driver.finished


def test_stream_without_reconnection_ends_with_the_first_error():
    driver = Driver(reconnect=None)
    connection = driver.open()
    assert driver.step(Ended(connection, LOST)) == ([], [Failed(LOST)])


def test_next_asks_for_the_newest_sequence_once():
    driver = Driver(start="next")
    [command], _ = driver.step(Asked())
    assert command == ReadNewest(1)
    _, [disconnected] = driver.step(Ended(1, LOST))
    assert disconnected.error is LOST
    [command], _ = driver.step(None, at=0.25)
    [command], _ = driver.step(NewestRead(command.connection, 41))
    assert command.request == StreamVerdictsRequest(from_sequence=42)
    driver.step(Ended(command.connection, LOST))
    [command], _ = driver.step(None, at=10.0)
    assert command.request == StreamVerdictsRequest(from_sequence=42)


def test_verdict_is_processed_when_the_loop_asks_for_the_next_one():
    driver = Driver(consumer="mes")
    connection = driver.open()
    driver.step(Received(connection, verdict(5)))
    assert driver.session.processed == 0, "the loop is processing it"
    driver.step(Asked())
    assert driver.session.processed == 5


def test_verdict_that_was_received_with_a_reconnection_is_not_processed_before_it_is_delivered():
    driver = Driver(consumer="mes")
    connection = driver.open()
    driver.step(Ended(connection, LOST))
    driver.step(Asked())
    [command], _ = driver.step(None, at=0.25)
    driver.session.handle(0.25, Received(command.connection, verdict(5)))
    assert driver.session.take_outcome() == Reconnected()
    driver.session.handle(0.25, Asked())
    assert driver.session.processed == 0
    assert isinstance(driver.session.take_outcome(), Verdict)
    driver.step(Asked())
    assert driver.session.processed == 5


def test_lost_sequences_and_those_that_do_not_match_the_filter_are_processed():
    driver = Driver(consumer="mes")
    connection = driver.open()
    driver.step(Received(connection, lost(1, 40)))
    driver.step(Asked())
    assert driver.session.processed == 40
    driver.step(Received(connection, heartbeat(90)))
    driver.step(Asked())
    assert driver.session.processed == 40
    # The line is idle: nothing up to the heartbeat before matches.
    driver.step(Received(connection, heartbeat(120)))
    driver.step(Asked())
    assert driver.session.processed == 90


def test_unjournalled_verdict_does_not_move_what_is_processed():
    driver = Driver(consumer="mes")
    connection = driver.open()
    driver.step(Received(connection, verdict(0)))
    driver.step(Asked())
    assert driver.session.processed == 0


def test_acknowledgement_that_is_refused_ends_the_stream():
    driver = Driver(consumer="mes")
    connection = driver.open()
    error = refusal(NotFound)
    assert driver.step(AcknowledgeRefused(error)) == ([Cancel(connection)], [Failed(error)])
    assert driver.finished
    assert driver.step(AcknowledgeRefused(error)) == ([], [])


def test_closed_stream_delivers_nothing_more():
    driver = Driver(consumer="mes")
    connection = driver.open()
    driver.session.handle(0.0, Received(connection, verdict(5)))
    assert driver.step(CloseAsked()) == ([Cancel(connection)], [])
    assert driver.finished
    assert driver.step(Received(connection, verdict(6))) == ([], [])
    assert driver.step(CloseAsked()) == ([], [])


def acknowledge(state, now, *, error=None):
    """Sends what is due, which is answered at once."""
    step = state.next_step(now)
    assert isinstance(step, Send), step
    state.sent(now, step.sequence)
    state.answered(now, error, 0.0)
    return step.sequence


def test_acknowledgements_are_batched_and_never_go_back():
    state = Acknowledgements()
    assert state.next_step(0.0) == Wait(None)
    assert state.acknowledge(5)
    assert acknowledge(state, 0.0) == 5
    assert state.next_step(0.0) == Wait(None)
    # At most ten times a second, also if the answer arrives at once.
    assert state.acknowledge(6) and state.acknowledge(7)
    assert not state.acknowledge(4)
    assert state.next_step(0.0) == Wait(0.1)
    assert acknowledge(state, 0.1) == 7
    assert (state.durable, state.pending, state.failed) == (7, False, None)


def test_failed_acknowledgement_is_repeated_after_a_pause_with_what_is_newest_then():
    state = Acknowledgements()
    state.acknowledge(5)
    acknowledge(state, 0.0, error=LOST)
    assert (state.durable, state.failed) == (0, LOST)
    assert state.next_step(0.0) == Wait(0.25)
    acknowledge(state, 0.25, error=LOST)
    assert state.next_step(0.25) == Wait(0.5)
    state.acknowledge(6)
    assert acknowledge(state, 0.75) == 6
    assert (state.durable, state.failures, state.failed) == (6, 0, None)


def test_refused_acknowledgement_is_not_repeated():
    state = Acknowledgements()
    state.acknowledge(5)
    acknowledge(state, 0.0, error=refusal(NotFound))
    assert state.next_step(60.0) == Wait(None)


def test_last_acknowledgement_is_sent_at_once_and_once():
    state = Acknowledgements()
    state.acknowledge(5)
    acknowledge(state, 0.0)
    state.acknowledge(6)
    state.finishing = True
    assert acknowledge(state, 0.01, error=LOST) == 6
    assert state.next_step(0.01) == Done()
    assert state.failed is LOST
    # One that failed before is sent again.
    state = Acknowledgements()
    state.acknowledge(5)
    acknowledge(state, 0.0, error=LOST)
    state.acknowledge(6)
    state.finishing = True
    assert acknowledge(state, 0.0) == 6
    assert state.next_step(0.0) == Done()


def test_gap_of_a_slow_client_is_delivered():
    driver = Driver()
    connection = driver.open()
    message = StreamVerdictsResponse()
    message.gap.missed = 12
    _, [gap] = driver.step(Received(connection, message))
    assert isinstance(gap, Gap)
    assert (gap.missed, gap.first_sequence) == (12, 0)


def test_times_and_durations_are_those_of_the_message():
    message = verdict(5)
    message.verdict.capture_time.FromDatetime(TIME)
    message.verdict.timings.total.FromTimedelta(timedelta(milliseconds=12.5))
    received = Position("live", None).apply(message)
    assert isinstance(received, Verdict)
    assert received.capture_time == TIME
    assert received.timings.total == timedelta(milliseconds=12.5)
    assert (received.timings.queue, received.score, received.fault) == (None, None, None)
