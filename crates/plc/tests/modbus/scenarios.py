"""What a PLC does, part by part, with every fault of the handshake.

    scenarios.py SCENARIO PORT

Prints one JSON object in each line: requests to the test (`do`), and at the end the ledger of the PLC.
"""

import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import outages
from plc_client import (ABORT, ACKNOWLEDGE, BUSY, DAEMON_CONNECTED, FAULT, FAULT_DECISION, OK, PASS, PATIENCE_S, READY, REJECT,
                        RESET, RESULT_VALID, STATION_ERROR, TRIGGER, TRIGGER_LOST, Plc, Refused, Registers, Watcher)

NO_ACKNOWLEDGE, PLC_AWAY, DOUBLE_TRIGGER, PART_INVALID, COMMAND_REPEATED = 103, 104, 105, 106, 109


def parts(port: int) -> Plc:
    """Parts without faults: every phase has its bits, and no read mixes two results."""
    plc = Plc(port)
    watcher = Watcher(port)
    watcher.start()
    decisions = set()
    for number in range(24):
        plc.trigger(f"part {number}")
        registers = plc.read()
        assert registers.status & (BUSY | RESULT_VALID), registers.words
        assert registers.status & READY == 0, registers.words
        registers = plc.result()
        decisions.add(registers.decision)
        above = registers.score > registers.threshold
        assert above == (registers.decision == REJECT), (registers.score, registers.threshold)
        assert (registers.per_mille > 1000) == above, registers.words
        assert (registers.regions > 0) == above, registers.words
        plc.acknowledge(registers)
    assert decisions == {PASS, REJECT}, f"the simulator made parts of one kind only: {decisions}"
    # Part numbers: the number if there is no text.
    plc.part_number = 4_000_000_000
    plc.trigger("")
    registers = plc.until_status(RESULT_VALID)
    assert registers.part_number == 4_000_000_000, registers.words
    plc.record(registers)
    plc.write(TRIGGER | ACKNOWLEDGE)
    plc.write(0)
    beat = plc.read().heartbeat
    plc.until("another heartbeat of the server", lambda registers: registers.heartbeat != beat)
    watcher.finish()
    return plc


def addresses(port: int) -> Plc:
    """Requests that are refused, and every function code."""
    plc = Plc(port)

    def refused(code: int, function: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        before = plc.read().words[3:]
        try:
            plc.call(function, *arguments, **named)
        except Refused as refusal:
            assert refusal.code == code, (refusal.code, function, arguments)
        else:
            raise AssertionError(f"{function} {arguments} was not refused")
        assert plc.read().words[3:] == before

    client = plc.client
    refused(2, client.read_input_registers, 49, count=2)
    refused(2, client.read_input_registers, 50, count=1)
    refused(2, client.read_holding_registers, 22, count=1)
    refused(2, client.read_holding_registers, 999, count=2)
    refused(2, client.read_holding_registers, 1049, count=2)
    refused(2, client.read_coils, 4, count=1)
    refused(2, client.read_discrete_inputs, 15, count=2)
    refused(2, client.write_register, 1001, 8)
    refused(2, client.write_registers, 1000, [0, 8])
    refused(2, client.write_register, 22, 1)
    refused(2, client.write_registers, 21, [0, 0])
    refused(2, client.write_coil, 4, True)
    refused(3, client.write_register, 0, 16)
    refused(1, client.report_device_id)
    plc.unit = 99
    try:
        plc.read()
        raise AssertionError("a unit without a station answered")
    except Refused as refusal:
        assert refusal.code == 0x0B, refusal
    plc.unit = 1

    plc.until_status(READY)
    mirror = plc.call(client.read_holding_registers, 1000, count=50).registers
    inputs = plc.call(client.read_input_registers, 0, count=50).registers
    assert mirror[:2] + mirror[3:] == inputs[:2] + inputs[3:], (mirror, inputs)
    bits = plc.call(client.read_discrete_inputs, 0, count=16).bits[:16]
    assert sum(1 << place for place, on in enumerate(bits) if on) == plc.read().status
    # A part with single registers and coils only.
    plc.call(client.write_register, 2, 77)
    plc.call(client.write_registers, 6, [0x4142, 0x4300])
    plc.call(client.write_coil, 0, True)
    assert plc.call(client.read_coils, 0, count=4).bits[:4] == [True, False, False, False]
    end = time.monotonic() + PATIENCE_S
    while not (registers := plc.read()).status & RESULT_VALID:
        assert time.monotonic() < end
    assert (registers.command, registers.part_text) == (77, "ABC")
    plc.record(registers)
    plc.call(client.write_coils, 0, [True, True])
    assert plc.read().status & RESULT_VALID == 0
    plc.call(client.mask_write_register, address=0, and_mask=0xFFFC, or_mask=0)
    plc.command, plc.part_text = 78, "ABD"
    plc.control = 0
    plc.until_status(READY)
    # The next part with function code 23: written before it is read.
    plc.control = TRIGGER
    answer = plc.call(client.readwrite_registers, read_address=1000, read_count=50, write_address=0, values=plc.block())
    assert Registers(tuple(answer.registers)).status & (BUSY | RESULT_VALID), answer.registers
    plc.acknowledge(plc.result())
    return plc


def byte_orders(port: int) -> Plc:
    """The same station in all orders: units 1 to 4."""
    found: list[dict[str, Any]] = []
    for unit, little, swapped in ((1, False, False), (2, True, False), (3, False, True), (4, True, True)):
        plc = Plc(port, unit, little, swapped)
        plc.part_number = 65536 + unit
        registers = plc.inspect(f"order {unit}!")
        assert registers.part_number == 65536 + unit, registers.words
        assert 0.0 < registers.score < 100.0 and 0.0 < registers.threshold < 100.0, registers.words
        assert abs(registers.per_mille - 1000 * registers.score / registers.threshold) <= 1, registers.words
        found += plc.ledger
        plc.close()
    plc.ledger = found
    return plc


def group(port: int) -> Plc:
    """A station of two cameras: one result for each part, without a score of its own."""
    plc = Plc(port, 6)
    for number in range(3):
        registers = plc.inspect(f"pair {number}")
        assert registers.per_mille == 65535 and registers.score > 3.4e38 and registers.threshold == 0, registers.words
    return plc


def drop_out(port: int) -> Plc:
    """The PLC is lost during a part: connection closed, heartbeat stopped."""
    plc = Plc(port)
    for number in range(6):
        plc.trigger(f"closed {number}")
        if number % 2:
            plc.result()
        plc.close()
        time.sleep(0.05 * number)
        plc.connect()
        plc.acknowledge(plc.result())
    plc.inspect("after")
    # The heartbeat stops longer than heartbeat_timeout_ms and reconnect_ms, while the connection stays.
    short = Plc(port, 7)
    short.trigger("stopped")
    short.beats = False
    registers = short.until_status(STATION_ERROR)
    assert registers.station_fault == PLC_AWAY and registers.status & (OK | RESULT_VALID) == 0, registers.words
    # Another trigger is lost until RESET.
    short.beats = True
    short.write(0)
    short.write(TRIGGER)
    assert short.until_status(TRIGGER_LOST).status & STATION_ERROR
    short.recover()
    # Away for longer than reconnect_ms with a closed connection.
    short.trigger("gone")
    short.close()
    reader = Plc(port, 7)
    end = time.monotonic() + PATIENCE_S
    while not reader.read().status & STATION_ERROR:
        assert time.monotonic() < end
        time.sleep(0.02)
    short.connect()
    registers = short.until_status(STATION_ERROR)
    assert registers.station_fault == PLC_AWAY, registers.words
    short.recover()
    plc.inspect("last")
    return plc


def double_trigger(port: int) -> Plc:
    """TRIGGER is raised again, for the same part and for another one."""
    plc = Plc(port)
    plc.trigger("same")
    plc.write(0)
    plc.write(TRIGGER)
    registers = plc.result()
    assert registers.status & TRIGGER_LOST and registers.lost == 1 and registers.fault_code < 100, registers.words
    plc.acknowledge(registers)
    plc.recover()
    assert plc.read().status & TRIGGER_LOST == 0
    for after_result in (False, True):
        plc.trigger(f"first {after_result}")
        if after_result:
            plc.result()
        plc.write(0)
        command = plc.command
        plc.part_text, plc.command = "second", command + 1
        plc.write(TRIGGER)
        registers = plc.until_status(RESULT_VALID)
        assert (registers.part_text, registers.command) == (f"first {after_result}", command), registers.words
        assert registers.decision == FAULT_DECISION and registers.fault_code == DOUBLE_TRIGGER, registers.words
        assert registers.status & (FAULT | TRIGGER_LOST) == FAULT | TRIGGER_LOST, registers.words
        plc.acknowledge(registers)
        plc.recover()
    assert plc.read().lost == 3
    # Without READY.
    plc.part_text = "not ready"
    plc.write(TRIGGER | ACKNOWLEDGE)
    assert plc.cycle().lost == 4
    plc.recover()
    # The same COMMAND again.
    plc.inspect("once")
    plc.command -= 1
    plc.trigger("once")
    registers = plc.result()
    assert registers.fault_code == COMMAND_REPEATED, registers.words
    plc.acknowledge(registers)
    plc.trigger("tab\t")
    registers = plc.until_status(RESULT_VALID)
    assert registers.fault_code == PART_INVALID, registers.words
    plc.acknowledge(registers)
    return plc


def slow(port: int) -> Plc:
    """A slow PLC, one that does not acknowledge, and one that gives up."""
    plc = Plc(port)
    plc.trigger("slow")
    registers = plc.result()
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        assert plc.cycle().words[3:23] == registers.words[3:23]
    plc.acknowledge(registers)
    short = Plc(port, 7)
    short.trigger("silent")
    registers = short.until_status(STATION_ERROR)
    assert registers.station_fault == NO_ACKNOWLEDGE and registers.status & OK == 0, registers.words
    assert registers.status & FAULT and registers.decision == 0, registers.words
    # A late acknowledgement does not end the error.
    short.write(TRIGGER | ACKNOWLEDGE)
    short.write(0)
    assert short.cycle().status & (STATION_ERROR | READY) == STATION_ERROR
    short.recover()
    for bit in (ABORT, RESET):
        plc.trigger(f"given up {bit}")
        plc.write(TRIGGER | bit)
        assert plc.cycle().status & (BUSY | RESULT_VALID) == 0
        plc.write(0)
    plc.inspect("after")
    return plc


def two_plcs(port: int) -> Plc:
    """Two PLCs write the same station: the first one owns it, until it is away."""
    first, second = Plc(port), Plc(port)
    first.trigger("first")
    try:
        second.write(ABORT)
        raise AssertionError("the second PLC was not refused")
    except Refused as refusal:
        assert refusal.code == 6, refusal
    assert second.read().status & (BUSY | RESULT_VALID)
    first.acknowledge(first.result())
    first.close()
    second.control, second.command = 0, first.command
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            second.write(0)
            break
        except Refused as refusal:
            assert refusal.code == 6 and time.monotonic() < end, refusal
    second.ledger = first.ledger
    second.inspect("second")
    # A PLC whose heartbeat stops loses the station to another one.
    first, third = Plc(port, 7), second
    first.until_status(READY)
    first.beats = False
    third.unit = 7
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            third.write(0)
            break
        except Refused as refusal:
            assert refusal.code == 6 and time.monotonic() < end, refusal
            time.sleep(0.02)
    third.until_status(READY)
    return third


def closed_by_peer(connection: socket.socket) -> bool:
    """Whether the server has closed the connection; waits for data or the end.

    The end is a reset if the server closes a connection before it has read all that was sent.
    """
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def answer_to(connection: socket.socket, data: bytes) -> bytes:
    """Sends data and no more; the answer is empty if the server closes the connection."""
    try:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(64)
    except TimeoutError:
        raise
    except OSError:
        return b""


def hostile(port: int) -> Plc:
    """Connections that are not from a PLC, and more of them than allowed."""
    plc = Plc(port)
    plc.inspect("before")
    bad = [b"GET / HTTP/1.1\r\n\r\n", b"\0\1\0\0\0\0\1", b"\0\1\0\0\xff\xff\1", b"\0\1\0\0\0\7\1\x0f\0\0\0\x10\1\0",
           b"\0\1\0\0\0\7\1\x10\0\0\x80\0\0", b"\0\1\0\0\0\2\1\xff", b"\0\1\0\0\0\6\1\5\0\0\1\1"]
    for data in bad:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            answer = answer_to(connection, data)
            assert answer == b"" or answer[7] & 0x80, (data, answer)
    # Three more fill connection_limit; the next one is closed at once.
    held = [Plc(port) for _ in range(3)]
    for other in held:
        other.read()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        assert closed_by_peer(connection)
    for other in held:
        other.close()
    # A connection without a request is closed after idle_timeout_s.
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"\0\1\0")
        assert plc.cycle().status & DAEMON_CONNECTED
        while True:
            connection.settimeout(0.01)
            try:
                assert closed_by_peer(connection)
                break
            except TimeoutError:
                plc.cycle()
    plc.inspect("after")
    return plc


def main() -> None:
    """Runs a scenario, and prints its ledger."""
    name, port = sys.argv[1], int(sys.argv[2])
    scenario = getattr(outages, name, None) or globals()[name]
    plc = scenario(port)
    print(json.dumps({"ledger": plc.ledger}), flush=True)


if __name__ == "__main__":
    main()
