"""Decisions of records, as the receivers of the plant have them."""

from __future__ import annotations

from collections import Counter


def word(name: str) -> str:
    """A decision, in the notation of any receiver.

    >>> word("DECISION_PASS"), word("pass")
    ('PASS', 'PASS')
    """
    return name.removeprefix("DECISION_").upper()


def decision(record: dict) -> str:
    """The decision of a record, or of a verdict."""
    return word(record["verdict"]["decision"] if "verdict" in record else record["decision"])


def is_unconfirmed_pass(verdict: dict) -> bool:
    """Whether a verdict is a PASS that the daemon may not have published as such, because it was killed.

    >>> is_unconfirmed_pass({"decision": "PASS", "unconfirmed": True}), is_unconfirmed_pass({"decision": "PASS"})
    (True, False)
    """
    return decision(verdict) == "PASS" and verdict.get("unconfirmed", False)


def once(receiver: str, records: list[dict]) -> dict[str, str]:
    """Decisions by id, of a receiver that keeps each verdict once. Gaps have no decision.

    >>> verdict = {"type": "verdict", "id": "box-7/r/1", "decision": "pass"}
    >>> gap = {"type": "gap", "id": "box-7/gap/lost/2/3-9", "reason": "lost"}
    >>> once("files", [verdict, gap])
    {'box-7/r/1': 'PASS'}
    >>> once("files", [verdict, gap, verdict])
    Traceback (most recent call last):
    AssertionError: files has these twice: ['box-7/r/1']
    """
    verdicts = [one for one in records if one["type"] == "verdict"]
    counts = Counter(one["id"] for one in verdicts)
    twice = [id for id, count in counts.items() if count > 1]
    assert not twice, f"{receiver} has these twice: {twice[:10]}"
    return {one["id"]: decision(one) for one in verdicts}
