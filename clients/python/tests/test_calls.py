"""Triggers, images, evidence, labels and states, with the real daemon."""

from __future__ import annotations

import socket
from io import BytesIO
from itertools import islice

import numpy
import pytest
from harness import JOURNAL, REVIEW, STATION, spot
from PIL import Image

from inspectd import (
    AlreadyExists,
    Client,
    Corner,
    DeadlineExceeded,
    Decision,
    FailedPrecondition,
    InvalidArgument,
    LabelKind,
    LineState,
    NotFound,
    Outline,
    Unavailable,
    VerdictQuery,
)
from inspectd.v1 import line_pb2, line_pb2_grpc


def test_status_is_that_of_the_line(client):
    status = client.status()
    assert status.state is LineState.RUNNING
    assert status.model.name == "cells"
    assert status.threshold == pytest.approx(0.6)
    assert [camera.id for camera in status.cameras] == ["belt", "station"]
    assert status.journal is not None
    assert status.journal.oldest_sequence == 1
    assert status.decisions.pass_ > 0
    assert [camera.source for camera in client.cameras()] == ["folder", "folder"]


def test_call_that_the_client_does_not_have_is_possible_with_its_channel(client):
    stub = line_pb2_grpc.LineServiceStub(client.channel)
    answer = stub.ListAuditEntries(line_pb2.ListAuditEntriesRequest(), metadata=client.metadata, timeout=10)
    assert answer.entries[0].action == "start"


def test_trigger_waits_for_the_verdict_of_its_part(client):
    result = client.trigger("station", part_id="P-1", client_data=b"\x00batch", wait=30)
    assert result.verdict is not None
    assert result.verdict.part_id == "P-1"
    assert result.verdict.client_data == b"\x00batch"
    assert result.verdict.trigger_id == result.trigger_id
    assert (result.repeated, result.idempotency_key) == (False, "")


def test_trigger_without_waiting_is_answered_once_it_is_accepted(client):
    result = client.trigger("station", part_id="P-2")
    assert result.trigger_id
    with client.verdicts(start="oldest", cameras=["station"]) as stream:
        verdict = next(one for one in stream if one.part_id == "P-2")
    assert verdict.trigger_id == result.trigger_id


def test_trigger_with_the_same_key_inspects_once(client):
    first = client.trigger("station", part_id="P-3", idempotency_key="k-3", wait=30)
    second = client.trigger("station", part_id="P-3", idempotency_key="k-3", wait=30)
    assert (first.repeated, second.repeated) == (False, True)
    assert first.verdict == second.verdict
    with pytest.raises(AlreadyExists):
        client.trigger("station", part_id="another", idempotency_key="k-3")


def test_trigger_is_repeated_under_its_key_until_the_daemon_is_back(make_site):
    site = make_site(JOURNAL, REVIEW, STATION)
    daemon = site.start()
    with Client(daemon.address) as client:
        first = client.trigger("station", part_id="P-1", idempotency_key="k-1", wait=30)
        daemon.kill()
        with pytest.raises(Unavailable):
            client.trigger("station", part_id="P-1", idempotency_key="k-1", wait=30)
        with pytest.raises(Unavailable):
            client.trigger("station", retry_within=0.5)
        with site.start(SERVER__LISTEN=daemon.listen):
            again = client.trigger("station", part_id="P-1", idempotency_key="k-1", wait=30, retry_within=30)
            fresh = client.trigger("station", part_id="P-1", wait=30, retry_within=30)
            parts = list(client.stored_verdicts(VerdictQuery(part_id="P-1")))
    assert again.repeated
    assert first.verdict is not None and again.verdict is not None
    assert again.verdict.sequence == first.verdict.sequence
    assert fresh.idempotency_key and not fresh.repeated
    assert len(parts) == 2


def test_trigger_of_a_camera_in_another_mode_is_refused(client):
    with pytest.raises(FailedPrecondition, match="belt"):
        client.trigger("belt")
    with pytest.raises(NotFound, match="absent"):
        client.trigger("absent")
    with pytest.raises(ValueError, match="either camera or group"):
        client.trigger()


def test_call_ends_at_its_time_limit():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(address, timeout=0.3) as client:
            with pytest.raises((DeadlineExceeded, Unavailable), match=address) as raised:
                client.status()
    assert raised.value.transient


def test_deadline_of_a_trigger_that_waits_is_its_own(make_site):
    # A part a minute: the verdict does not arrive in time.
    station = STATION.replace('pace = "fast"', "fps = 0.0167")
    with make_site(JOURNAL, station).start() as daemon, Client(daemon.address) as client:
        client.trigger("station", wait=30)
        with pytest.raises(DeadlineExceeded, match="did not answer within 0.3 s"):
            client.trigger("station", wait=0.3)


def as_png(picture):
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    "image",
    [
        as_png(spot(255)),
        bytearray(as_png(spot(255))),
        spot(255),
        spot(255).convert("L"),
        spot(255).convert("RGBA"),
        numpy.array(spot(255)),
        numpy.array(spot(255))[:, :, 0],
        numpy.array(spot(255))[:, :, ::-1],
        numpy.asfortranarray(numpy.array(spot(255))),
    ],
    ids=["png", "bytearray", "pil", "pil-grey", "pil-alpha", "array", "array-grey", "array-view", "array-columns"],
)
def test_image_is_inspected_whatever_it_is_given_as(client, image):
    verdict = client.inspect(image)
    assert verdict.decision is Decision.REJECT
    assert verdict.score is not None
    assert verdict.score.value == pytest.approx(0.84, abs=0.01)
    assert (verdict.width, verdict.height, verdict.camera_id) == (64, 64, "")


def test_colour_order_of_an_array_is_respected(client):
    red = numpy.zeros((64, 64, 3), numpy.uint8)
    red[:, :, 0] = 200
    scores = {
        name: verdict.score.value
        for name, verdict in (
            ("rgb", client.inspect(red)),
            ("bgr", client.inspect(red[:, :, ::-1], order="bgr")),
            ("pil", client.inspect(Image.fromarray(red))),
        )
        if verdict.score is not None
    }
    assert scores["rgb"] == scores["bgr"] == scores["pil"]
    frame = client.evidence(client.inspect(red).sequence).frame
    assert frame is not None
    assert frame.numpy()[5, 5].tolist() == [200, 0, 0]


def test_image_that_is_not_usable_is_rejected(client):
    with pytest.raises(InvalidArgument, match="encoded") as raised:
        client.inspect(b"no picture")
    assert raised.value.details.violations[0].place == "encoded"
    with pytest.raises(ValueError, match="uint8"):
        client.inspect(numpy.zeros((64, 64), numpy.float32))
    with pytest.raises(ValueError, match="shape"):
        client.inspect(numpy.zeros((64, 64, 4), numpy.uint8))
    with pytest.raises(ValueError, match="8 bits"):
        client.inspect(Image.new("I;16", (64, 64)))
    with pytest.raises(TypeError, match="str"):
        client.inspect("picture.png")


def test_evidence_of_a_reject_is_a_frame_and_a_heatmap(client, tmp_path):
    verdict = client.inspect(spot(255))
    evidence = client.evidence(verdict.sequence)
    assert evidence.verdict.sequence == verdict.sequence
    assert evidence.frame is not None and evidence.heatmap is not None
    assert evidence.frame.format == "png"
    numpy.testing.assert_array_equal(evidence.frame.numpy(), numpy.array(spot(255)))
    heatmap = evidence.heatmap.pil()
    assert (heatmap.mode, heatmap.size) == ("RGB", (64, 64))
    # Red where the spot is.
    red, green, blue = evidence.heatmap.numpy()[34, 34].tolist()
    assert red > green and red > blue
    evidence.frame.save(tmp_path / "frame.png")
    assert Image.open(tmp_path / "frame.png").size == (64, 64)
    smaller = client.evidence(verdict.sequence, format="jpeg", side_limit=32)
    assert smaller.frame is not None
    assert (smaller.frame.format, smaller.frame.pil().size) == ("jpeg", (32, 32))
    with pytest.raises(NotFound):
        client.evidence(1 << 40)


def test_stored_verdicts_are_listed_by_a_query(client):
    client.inspect(spot(255))
    rejects = VerdictQuery(decisions=(Decision.REJECT,), page_size=3)
    listed = list(islice(client.stored_verdicts(rejects), 8))
    assert {verdict.decision for verdict in listed} == {Decision.REJECT}
    numbers = [verdict.sequence for verdict in listed]
    assert numbers == sorted(numbers, reverse=True)
    oldest = list(client.stored_verdicts(VerdictQuery(to_sequence=12, oldest_first=True, page_size=5)))
    assert [verdict.sequence for verdict in oldest] == list(range(1, 13))
    later = VerdictQuery(from_time=oldest[5].record_time, to_time=oldest[-1].record_time, oldest_first=True)
    assert oldest[5].sequence in [verdict.sequence for verdict in client.stored_verdicts(later)]


def test_label_is_set_replaced_and_removed(client):
    sequence = client.inspect(spot(255)).sequence
    outline = Outline(corners=(Corner(x=0.4, y=0.4), Corner(x=0.6, y=0.4), Corner(x=0.5, y=0.6)))
    label = client.label(sequence, LabelKind.DEFECTIVE, defect_class="scratch", outlines=[outline])
    assert label is not None
    assert (label.kind, label.defect_class, label.outlines) == (LabelKind.DEFECTIVE, "scratch", (outline,))
    kept = client.label(sequence, LabelKind.DEFECTIVE, defect_class="dent")
    assert kept is not None
    assert (kept.defect_class, kept.outlines) == ("dent", (outline,))
    assert sequence in [one.sequence for one in client.labels()]
    good = client.label(sequence, LabelKind.GOOD)
    assert good is not None
    assert good.outlines == ()
    assert client.label(sequence, LabelKind.UNSPECIFIED) is None
    assert sequence not in [one.sequence for one in client.labels()]
    with pytest.raises(NotFound):
        client.label(1 << 40, LabelKind.GOOD)
