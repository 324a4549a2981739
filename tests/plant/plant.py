"""The whole plant on the loopback interface: daemon, PLC over Modbus, MES over OPC UA, MQTT broker, NATS cluster, PostgreSQL.

    plant.py PROJECT BUILT

PROJECT is the folder of the project, BUILT the folder of its programs. Each program is killed in turn while parts are inspected;
the broker is stopped. At the end the ledgers of all receivers are compared with the journal, part by part.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

PROJECT, BUILT = Path(sys.argv[1]), Path(sys.argv[2])
sys.path += [str(PROJECT / "crates/plc/tests/modbus"), str(PROJECT / "crates/opcua/tests/opcua")]

import nats  # noqa: E402
from client import make_keys  # noqa: E402
from mes import Mes  # noqa: E402
from plc import Gate  # noqa: E402
from plc_client import FAULT_DECISION, PASS, REJECT, REVIEW_DECISION  # noqa: E402
from programs import BOX, PATIENCE_S, Plant, Program  # noqa: E402
from records import decision, is_unconfirmed_pass, once, word  # noqa: E402

PASSWORD = "correct horse"
NUMBERS = {"PASS": PASS, "REJECT": REJECT, "REVIEW": REVIEW_DECISION, "FAULT": FAULT_DECISION}
# The pause between a kill and the next start of the program: longer than the receivers take to notice the kill.
AWAY_S = 1.5


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


async def until(what: str, done: Callable[[], bool], gate: Gate) -> None:
    """Waits until `done`, while the PLC works."""
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert gate.error is None, repr(gate.error)
        assert time.monotonic() < end, f"timed out waiting for {what}"
        await asyncio.sleep(0.1)


async def progress(plant: Plant, gate: Gate, mes: Mes) -> None:
    """Waits until every receiver has new results."""
    parts, events = gate.parts, mes.events
    newest = await asyncio.to_thread(plant.newest)
    await until("results of the PLC", lambda: gate.parts >= parts + 3, gate)
    await until("results of the MES", lambda: mes.events >= events + 3, gate)
    await asyncio.to_thread(plant.wait_for_consumers, newest + 1)


async def kill(program: Program) -> None:
    say(f"{program.name} is {'stopped' if program.name == 'mosquitto' else 'killed'}")
    program.kill()
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(program.start)


async def run(plant: Plant) -> None:
    await make_keys(["mes"])
    await asyncio.to_thread(plant.start)
    trusted = await asyncio.create_subprocess_exec(
        str(BUILT / "inspectd-opcua"), "--config", "opcua.toml", "trust", "mes.der", cwd=plant.folder)
    assert await trusted.wait() == 0
    say("the plant runs")
    gate = Gate(plant.modbus_port)
    gate.start()
    mes = Mes(f"opc.tcp://127.0.0.1:{plant.opcua_port}", "mes", PASSWORD)
    mes_task = asyncio.create_task(mes.run())
    await progress(plant, gate, mes)
    for program in plant.programs():
        await kill(program)
        await progress(plant, gate, mes)
    # Three at the same time.
    say("daemon and forwarder are killed, the broker is stopped")
    for program in (plant.daemon, plant.forward, plant.mosquitto):
        program.kill()
    await asyncio.sleep(AWAY_S)
    for program in (plant.mosquitto, plant.daemon, plant.forward):
        await asyncio.to_thread(program.start)
    await progress(plant, gate, mes)
    await asyncio.to_thread(gate.finish)
    mes.stopped.set()
    await mes_task
    await compare(plant, gate, mes)


class Journal:
    """What the journal has at the end, up to the last verdict that every receiver must have."""

    def __init__(self, plant: Plant) -> None:
        self.last = plant.newest()
        found = plant.inspectctl("verdicts", "--all")
        self.verdicts = {f"{BOX}/{one['run_id']}/{one['sequence']}": one for one in found}
        assert len(self.verdicts) == len(found), "an id is twice in the journal"
        self.decisions = {id: decision(one) for id, one in self.verdicts.items()}

    def required(self) -> set[str]:
        """The ids that every receiver must have."""
        return {id for id, one in self.verdicts.items() if one["sequence"] <= self.last}

    def check(self, receiver: str, ledger: dict[str, str]) -> None:
        """Compares the ledger of a receiver of all verdicts, by id."""
        self.check_complete(receiver, ledger)
        # The line continues: a receiver may have verdicts that are newer than this list.
        different = {id: decision for id, decision in ledger.items() if self.decisions.get(id, decision) != decision}
        assert not different, f"{receiver} has other decisions: {different}"
        say(f"{receiver}: {len(ledger)} verdicts, as in the journal")

    def check_results(self, receiver: str, ledger: dict[str, str]) -> None:
        """As `check`, for a receiver to which a PASS is a FAULT if it is not confirmed."""
        self.check_complete(receiver, ledger)
        different = {id: decision for id, decision in ledger.items() if not self.agrees(id, decision)}
        assert not different, f"{receiver} has other decisions: {different}"
        say(f"{receiver}: {len(ledger)} verdicts, as in the journal")

    def agrees(self, id: str, found: str) -> bool:
        verdict = self.verdicts.get(id)
        return verdict is None or found == decision(verdict) or found == "FAULT" and is_unconfirmed_pass(verdict)

    def check_complete(self, receiver: str, ledger: dict[str, str]) -> None:
        missing = self.required() - ledger.keys()
        assert not missing, f"{receiver} lacks {len(missing)} of {len(self.required())}: {sorted(missing)[:10]}"


async def compare(plant: Plant, gate: Gate, mes: Mes) -> None:
    journal = await asyncio.to_thread(Journal, plant)
    await asyncio.to_thread(plant.wait_for_consumers, journal.last)
    await mes.read_all()
    journal.check_results("the MES over OPC UA", {id: word(name) for id, (_, name) in mes.ledger.entries.items()})
    files = [json.loads(line) for file in (plant.folder / "archive").glob("*.jsonl") for line in file.read_text().splitlines()]
    journal.check("files", once("files", files))
    journal.check("PostgreSQL", {id: word(name) for id, name in plant.postgresql.rows("SELECT id, decision FROM inspectd_verdicts")})
    journal.check("NATS", once("NATS", await stream(plant)))
    assert plant.subscriber
    ids = {id for id, one in journal.verdicts.items() if one["sequence"] <= journal.last}
    await until("MQTT", lambda: ids <= {one["id"] for one in plant.subscriber.records()}, gate)
    journal.check("MQTT", {one["id"]: decision(one) for one in plant.subscriber.records()})
    compare_parts(journal, gate)


async def stream(plant: Plant) -> list[dict]:
    """The messages of the stream."""
    connection = await nats.connect([f"nats://127.0.0.1:{server.port}" for server in plant.nats])
    manager = connection.jsm()
    state = (await manager.stream_info("LINE")).state
    messages = [await manager.get_msg("LINE", seq) for seq in range(state.first_seq, state.last_seq + 1)]
    await connection.close()
    return [json.loads(message.data or b"") for message in messages]


def compare_parts(journal: Journal, gate: Gate) -> None:
    """Every part of the PLC was inspected at most once, and passed only if its own verdict is PASS."""
    by_part: dict[str, list[dict]] = {}
    for one in journal.verdicts.values():
        if one["camera_id"] == "gate" and one["part_id"]:
            by_part.setdefault(one["part_id"], []).append(one)
    twice = {part: len(found) for part, found in by_part.items() if len(found) > 1}
    assert not twice, f"inspected more than once: {twice}"
    for entry in gate.plc.ledger:
        found = by_part.get(entry["part"])
        if entry["sequence"]:
            assert found and found[0]["sequence"] == entry["sequence"], (entry, found)
            is_fault = entry["decision"] == FAULT_DECISION and not entry["ok"]
            is_same = NUMBERS[decision(found[0])] == entry["decision"]
            assert is_same or is_fault and is_unconfirmed_pass(found[0]), (entry, found)
        else:
            # No answer in time: the FAULT is that of the station.
            assert entry["decision"] == FAULT_DECISION and not entry["ok"], entry
    for part in gate.passed:
        assert [decision(one) for one in by_part[part]] == ["PASS"], (part, by_part[part])
    with_result = {entry["part"] for entry in gate.plc.ledger}
    lost = by_part.keys() - with_result - set(gate.without_result)
    assert not lost, f"inspected, and the PLC has no result: {sorted(lost)}"
    decisions = Counter(entry["decision"] for entry in gate.plc.ledger)
    assert decisions[PASS] and decisions[REJECT], decisions
    say(f"the PLC over Modbus: {len(gate.plc.ledger)} parts, {len(gate.passed)} passed, as in the journal")


def main() -> None:
    # Its reports of lost connections would hide the output of the test.
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant = Plant(BUILT, PROJECT, folder)
        try:
            os.chdir(folder)
            asyncio.run(run(plant))
        except BaseException:
            for program in plant.programs():
                print(f"--- the end of the log of {program.name} ---\n{program.tail()}", file=sys.stderr)
            raise
        finally:
            plant.stop()


if __name__ == "__main__":
    main()
