"""The PLC of the plant: it triggers inspections over Modbus, and passes a part only while OK is on."""

from __future__ import annotations

import threading
import time

from plc_client import (ACKNOWLEDGE, BUSY, DAEMON_CONNECTED, OK, READY, RESET, RESULT_VALID, STATION_ERROR, TRIGGER,
                        TRIGGER_LOST, Lost, Plc, Registers)


class Gate(threading.Thread):
    """Inspects part after part until it is stopped; a server that is killed or a daemon that does not answer only delays it."""

    def __init__(self, port: int) -> None:
        super().__init__(name="plc", daemon=True)
        self.plc = Plc(port)
        self.error: BaseException | None = None
        self.stopped = threading.Event()
        self.passed: list[str] = []
        """The parts that were passed."""
        self.without_result: list[str] = []

    @property
    def parts(self) -> int:
        """Parts with a result."""
        return len(self.plc.ledger)

    def run(self) -> None:
        try:
            number = 0
            while not self.stopped.is_set():
                number += 1
                self._inspect(f"part {number}")
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def finish(self) -> None:
        """Ends after the part in progress, and asserts that nothing failed."""
        self.stopped.set()
        self.join(300)
        assert not self.is_alive(), "the PLC did not end"
        assert self.error is None, repr(self.error)

    def _inspect(self, part: str) -> None:
        self._persist(lambda: self._until_ready())
        self.plc.part_text, self.plc.command = part, self.plc.command % 65535 + 1
        self._persist(lambda: self.plc.write(TRIGGER))
        registers = self._persist(self._result)
        if registers is None:
            self.without_result.append(part)
            return
        assert registers.part_text == part, registers.words
        # The gate opens only by the present registers, not by an earlier state.
        registers = self._persist(self.plc.read)
        if registers.status & OK and registers.part_text == part:
            self.passed.append(part)
        self.plc.record(registers)
        self._persist(lambda: self._acknowledge())

    def _persist(self, step):
        """Repeats a step of the handshake over lost connections: the PLC holds its bits."""
        while True:
            try:
                return step()
            except (Lost, OSError):
                self.plc.close()
                time.sleep(0.1)
                self.plc.connect()

    def _until_ready(self) -> None:
        self.plc.control = 0
        while (registers := self.plc.cycle()).status & (READY | TRIGGER_LOST) != READY:
            if registers.status & RESULT_VALID:
                # Of a part before the connection was lost.
                self.plc.write(ACKNOWLEDGE)
                self.plc.write(0)
            elif registers.status & DAEMON_CONNECTED:
                self.plc.write(RESET)
                self.plc.write(0)
            if self.stopped.wait(0.02):
                return

    def _result(self) -> Registers | None:
        """The result of the part; None if the station ended it without one, or was not ready any more when the trigger arrived."""
        while True:
            registers = self.plc.cycle()
            if registers.status & RESULT_VALID:
                return registers
            ended = registers.status & (STATION_ERROR | TRIGGER_LOST) and not registers.status & BUSY
            if ended and registers.status & DAEMON_CONNECTED:
                self.plc.write(0)
                return None

    def _acknowledge(self) -> None:
        self.plc.write(TRIGGER | ACKNOWLEDGE)
        self.plc.until("RESULT_VALID off", lambda registers: registers.status & RESULT_VALID == 0)
        self.plc.write(0)
