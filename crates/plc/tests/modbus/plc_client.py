"""A simulated PLC: registers over pymodbus, and the link to the test that started this program.

It knows the register map by its own constants and decodes it with its own code, so that it detects errors of the server.
"""

import json
import select
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

TRIGGER, ACKNOWLEDGE, RESET, ABORT = 1, 2, 4, 8
READY, BUSY, RESULT_VALID, OK, NOT_OK, REVIEW, FAULT, DAEMON_CONNECTED, TRIGGER_LOST, RECIPE_ERROR, STATION_ERROR = (
    1 << bit for bit in range(11))
PASS, REJECT, REVIEW_DECISION, FAULT_DECISION = 1, 2, 3, 4
DECISION_BITS = {PASS: OK, REJECT: NOT_OK, REVIEW_DECISION: REVIEW, FAULT_DECISION: FAULT}
# Longer than anything takes on a busy machine.
PATIENCE_S = 180.0
# The time between two cycles of the PLC.
CYCLE_S = 0.005


class Lost(Exception):
    """The server does not answer."""


class Refused(Exception):
    """The server answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code:02X}")
        self.code = code


def ask(action: str, plc: "Plc | None" = None) -> None:
    """Lets the test do something, such as `kill daemon`, and waits until it is done. `plc` keeps running in this time."""
    print(json.dumps({"do": action}), flush=True)
    while plc and not select.select([sys.stdin], [], [], 0)[0]:
        plc.cycle()
    answer = sys.stdin.readline().strip()
    assert answer == "done", f"the test did not do {action!r}: {answer!r}"


@dataclass(frozen=True)
class Registers:
    """The registers of the server, decoded."""

    words: tuple[int, ...]
    little: bool = False
    swapped: bool = False

    def wide(self, address: int, count: int) -> int:
        """A number of several registers."""
        words = self.words[address:address + count]
        value = 0
        for word in reversed(words) if self.little else words:
            value = value << 16 | word
        return value

    def real(self, address: int) -> float:
        """A floating-point number."""
        return float(struct.unpack(">f", struct.pack(">I", self.wide(address, 2)))[0])

    def text(self, address: int) -> str:
        """A text of 32 characters."""
        order = "<16H" if self.swapped else ">16H"
        return struct.pack(order, *self.words[address:address + 16]).rstrip(b"\0").decode("ascii")

    status = property(lambda self: self.words[1])
    heartbeat = property(lambda self: self.words[2])
    decision = property(lambda self: self.words[3])
    fault_code = property(lambda self: self.words[4])
    command = property(lambda self: self.words[5])
    results = property(lambda self: self.wide(6, 2))
    score = property(lambda self: self.real(8))
    threshold = property(lambda self: self.real(10))
    per_mille = property(lambda self: self.words[12])
    regions = property(lambda self: self.words[15])
    active_recipe = property(lambda self: self.words[23])
    recipe_state = property(lambda self: self.words[24])
    lost = property(lambda self: self.words[25])
    part_number = property(lambda self: self.wide(26, 2))
    sequence = property(lambda self: self.wide(28, 4))
    part_text = property(lambda self: self.text(32))
    station_fault = property(lambda self: self.words[49])

    def check(self) -> None:
        """Asserts what holds for every state."""
        assert len(self.words) == 50 and self.words[0] == 1, self.words
        on = lambda bit: self.status & bit != 0
        assert not (on(BUSY) and on(RESULT_VALID)), self.words
        assert not (on(READY) and on(BUSY | RESULT_VALID | FAULT | RECIPE_ERROR | STATION_ERROR)), self.words
        if on(OK):
            assert on(RESULT_VALID) and self.decision == PASS and not on(FAULT), self.words
            assert self.fault_code == 0 and self.sequence > 0, self.words
        assert (self.decision != 0) == on(RESULT_VALID), self.words
        if self.decision in (REJECT, REVIEW_DECISION):
            assert on(DECISION_BITS[self.decision]), self.words


@dataclass
class Plc:
    """A PLC with one connection to one station."""

    port: int
    unit: int = 1
    little: bool = False
    swapped: bool = False
    beats: bool = True
    command: int = 0
    control: int = 0
    part_number: int = 0
    part_text: str = ""
    recipe: int = 0
    heartbeat: int = 0
    ledger: list[dict[str, Any]] = field(default_factory=list)
    client: ModbusTcpClient = field(init=False)
    next_beat: float = 0.0

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        """Opens the connection, and waits until the server accepts it."""
        self.client = ModbusTcpClient("127.0.0.1", port=self.port, timeout=PATIENCE_S, retries=0)
        end = time.monotonic() + PATIENCE_S
        while not self.client.connect():
            assert time.monotonic() < end, "the server does not accept connections"
            time.sleep(0.05)

    def close(self) -> None:
        """Closes the connection."""
        self.client.close()

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Sends a request."""
        try:
            answer = function(*arguments, device_id=self.unit, **named)
        except (ModbusException, OSError) as error:
            raise Lost(str(error)) from error
        if answer.isError():
            raise Refused(answer.exception_code)
        return answer

    def read(self) -> Registers:
        """Reads all registers of the server."""
        words = self.call(self.client.read_input_registers, 0, count=50).registers
        registers = Registers(tuple(words), self.little, self.swapped)
        registers.check()
        return registers

    def block(self) -> list[int]:
        """All registers of the PLC."""
        number = [self.part_number >> 16, self.part_number & 0xFFFF]
        text = self.part_text.encode("ascii").ljust(32, b"\0")
        words = struct.unpack("<16H" if self.swapped else ">16H", text)
        head = [self.control, self.heartbeat, self.command, self.recipe]
        return head + (number[::-1] if self.little else number) + list(words)

    def write(self, control: int | None = None) -> None:
        """Writes all registers of the PLC, with the control bits `control`."""
        if control is not None:
            self.control = control
        if self.beats and time.monotonic() >= self.next_beat:
            self.heartbeat = (self.heartbeat + 1) % 65536
            self.next_beat = time.monotonic() + 0.1
        self.call(self.client.write_registers, 0, self.block())

    def cycle(self) -> Registers:
        """One cycle: writes all, reads all."""
        self.write()
        registers = self.read()
        time.sleep(CYCLE_S)
        return registers

    def until(self, what: str, done: Callable[[Registers], bool]) -> Registers:
        """Cycles until `done`."""
        end = time.monotonic() + PATIENCE_S
        while True:
            registers = self.cycle()
            if done(registers):
                return registers
            assert time.monotonic() < end, f"timed out waiting for {what}: {registers.words}"

    def until_status(self, bits: int) -> Registers:
        """Cycles until these bits are on."""
        return self.until(f"status {bits:04X}", lambda registers: registers.status & bits == bits)

    def trigger(self, part: str) -> None:
        """Waits for READY, and raises TRIGGER for a part."""
        self.control = 0
        self.until_status(READY)
        self.part_text, self.command = part, self.command % 65535 + 1
        self.write(TRIGGER)

    def result(self) -> Registers:
        """Waits for the result of the part, and asserts that it is one of this part."""
        registers = self.until_status(RESULT_VALID)
        assert registers.command == self.command, registers.words
        assert registers.part_text == self.part_text, registers.words
        return registers

    def acknowledge(self, registers: Registers) -> None:
        """Records a result, acknowledges it, and clears all bits."""
        self.record(registers)
        self.write(TRIGGER | ACKNOWLEDGE)
        self.until("RESULT_VALID off", lambda registers: registers.status & RESULT_VALID == 0)
        self.write(0)

    def record(self, registers: Registers) -> None:
        """Adds a result to the ledger."""
        self.ledger.append({
            "unit": self.unit, "part": registers.part_text or str(registers.part_number or ""), "decision": registers.decision, "fault_code": registers.fault_code,
            "sequence": registers.sequence, "ok": registers.status & OK != 0})

    def inspect(self, part: str) -> Registers:
        """A whole part."""
        self.trigger(part)
        registers = self.result()
        self.acknowledge(registers)
        return registers

    def recover(self) -> None:
        """Ends an error: RESET, then all bits off."""
        self.write(RESET)
        self.write(0)
        self.until_status(READY)


class Watcher(threading.Thread):
    """Reads a station on a connection of its own all the time, and checks every state that it sees."""

    def __init__(self, port: int, unit: int = 1) -> None:
        super().__init__(daemon=True)
        self.plc = Plc(port, unit)
        self.error: BaseException | None = None
        self.reads = 0
        self.ended = threading.Event()

    def run(self) -> None:
        seen: dict[int, tuple[int, ...]] = {}
        try:
            while not self.ended.is_set():
                registers = self.plc.read()
                self.reads += 1
                if registers.status & RESULT_VALID:
                    # All that belongs to a result: it never changes while the result is valid.
                    result = registers.words[3:23] + registers.words[26:48]
                    assert seen.setdefault(registers.results, result) == result, (seen[registers.results], result)
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def finish(self) -> None:
        """Ends the thread, and asserts that it found nothing."""
        self.ended.set()
        self.join(PATIENCE_S)
        self.plc.close()
        assert self.error is None, self.error
        assert self.reads > 10, self.reads
