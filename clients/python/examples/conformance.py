"""The program that `inspectctl conformance` tests; docs/conformance.md describes its lines.

    inspectctl conformance -- python3 clients/python/examples/conformance.py {address}

The package `inspectd` must be installed. The address may have a scheme.
"""

from __future__ import annotations

import sys
import time
from typing import Literal

import inspectd
from inspectd import Client, Decision, Gap, GapReason, Heartbeat, InspectdError, OutOfRange, Verdict

KNOWN = (Decision.PASS, Decision.REJECT, Decision.REVIEW, Decision.FAULT)


def say(*words: object) -> None:
    print(*words, flush=True)


def decision(verdict: Verdict) -> str:
    return verdict.decision.name if verdict.decision in KNOWN else "UNKNOWN"


def code(error: InspectdError) -> str:
    """The status of gRPC."""
    if isinstance(error, inspectd.Refused):
        return error.code
    return "DATA_LOSS" if isinstance(error, inspectd.SequencesRestarted) else "UNAVAILABLE"


class EndOfInput(Exception):
    """The user has ended the program."""


class Reader:
    """Reads verdicts of a consumer, from a sequence, or live ones."""

    def __init__(self, client: Client, silence_s: float, *, consumer: str | None = None, first: int | None = None) -> None:
        self.client, self.silence_s = client, silence_s
        self.consumer, self.first = consumer, first
        # Everything up to this sequence was handed to the user, or reported as lost.
        self.passed = 0
        self.epoch = 0

    def run(self) -> None:
        while True:
            try:
                self.stream()
            except OutOfRange as error:
                if not self.pass_over(error):
                    raise

    def stream(self) -> None:
        start: int | Literal["live"] | None = None
        if self.consumer is None:
            start = "live" if self.first is None else max(self.first, self.passed + 1)
        with self.client.events(
            self.consumer, start=start, acknowledge=False, silence_timeout=self.silence_s
        ) as events:
            for event in events:
                if isinstance(event, Heartbeat):
                    self.epoch = event.epoch
                elif isinstance(event, Gap):
                    self.report(event)
                elif isinstance(event, Verdict) and self.hand_over(event) and self.consumer is not None:
                    events.acknowledge(event.sequence)

    def report(self, gap: Gap) -> None:
        if gap.reason is GapReason.LOST:
            say("loss", gap.first_sequence, gap.last_sequence)
            self.passed = max(self.passed, gap.last_sequence)
        else:
            say("missed", gap.missed)

    def hand_over(self, verdict: Verdict) -> bool:
        """Hands a verdict to the user, who processes it. Whether it counts for the position."""
        journalled = verdict.sequence > 0 and (self.consumer is not None or self.first is not None)
        if journalled and verdict.sequence <= self.passed:
            # A new stream of a consumer begins with what was not acknowledged yet.
            return False
        say("verdict", self.epoch, verdict.sequence, decision(verdict))
        if not sys.stdin.readline():
            raise EndOfInput
        if journalled:
            self.passed = verdict.sequence
        return journalled

    def pass_over(self, error: OutOfRange) -> bool:
        """Goes on with the oldest verdict, if the next one was removed."""
        last = error.oldest - 1
        begin = self.passed + 1 if self.passed else self.first or 0
        if self.passed and self.first is not None:
            begin = max(begin, self.first)
        if begin > last:
            return False
        say("loss", begin, last)
        self.passed = last
        if self.consumer is not None:
            self.acknowledge(last)
        return True

    def acknowledge(self, sequence: int) -> None:
        assert self.consumer is not None
        while True:
            try:
                self.client.acknowledge(self.consumer, sequence)
                return
            except InspectdError as error:
                if not error.transient:
                    raise
                time.sleep(1)


def trigger(client: Client, camera: str, part: str, deadline_ms: str) -> None:
    deadline_s = int(deadline_ms) / 1000
    result = client.trigger(camera, part_id=part, wait=deadline_s, retry_within=deadline_s)
    if result.verdict is None:
        raise SystemExit("the answer has no verdict")
    say("triggered", result.verdict.sequence, decision(result.verdict))


def main(arguments: list[str]) -> None:
    address, *task = arguments
    with Client(address) as client:
        match task:
            case ["consume", consumer, silence_ms]:
                Reader(client, int(silence_ms) / 1000, consumer=consumer).run()
            case ["follow", sequence, silence_ms]:
                Reader(client, int(silence_ms) / 1000, first=int(sequence)).run()
            case ["live", silence_ms]:
                Reader(client, int(silence_ms) / 1000).run()
            case ["trigger", camera, part, deadline_ms]:
                trigger(client, camera, part, deadline_ms)
            case _:
                raise SystemExit(f"unknown task: {' '.join(task)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EndOfInput:
        pass
    except InspectdError as failure:
        print(failure, file=sys.stderr)
        say("failed", code(failure))
