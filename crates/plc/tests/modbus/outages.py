"""Outages: the daemon and the server are killed, frozen and started again while the PLC keeps running."""

import time

from plc_client import (ACKNOWLEDGE, BUSY, DAEMON_CONNECTED, FAULT, OK, PASS, READY, RECIPE_ERROR, REJECT, RESULT_VALID, TRIGGER,
                        TRIGGER_LOST, Lost, Plc, ask)

DEADLINE, DAEMON_AWAY, UNCONFIRMED = 100, 101, 114


def daemon_restarts(port: int) -> Plc:
    """The daemon is killed between parts and during parts, frozen, and started again."""
    plc = Plc(port)
    plc.inspect("before")
    ask("kill daemon", plc)
    registers = plc.until("the daemon to be away", lambda registers: registers.status & DAEMON_CONNECTED == 0)
    assert registers.status & FAULT and registers.status & (READY | OK) == 0, registers.words
    assert registers.station_fault == DAEMON_AWAY, registers.words
    plc.part_text = "lost"
    plc.write(TRIGGER)
    assert plc.until_status(TRIGGER_LOST).status & BUSY == 0
    plc.write(0)
    ask("start daemon", plc)
    plc.until_status(DAEMON_CONNECTED)
    plc.recover()
    # Killed while a result is valid: OK is withdrawn, the decision stays.
    for number in range(20):
        plc.trigger(f"valid {number}")
        registers = plc.result()
        if registers.decision == PASS:
            break
        plc.acknowledge(registers)
    ask("kill daemon", plc)
    away = plc.until("the daemon to be away", lambda registers: registers.status & DAEMON_CONNECTED == 0)
    assert away.status & (RESULT_VALID | OK | FAULT) == RESULT_VALID | FAULT and away.decision == PASS, away.words
    ask("start daemon", plc)
    plc.acknowledge(plc.until_status(OK))
    # Killed during parts, at different moments, and back within verdict_timeout_ms: one result for each, of this part.
    for number in range(5):
        plc.trigger(f"killed {number}")
        time.sleep(0.01 * number)
        ask("kill daemon", plc)
        ask("start daemon", plc)
        registers = plc.result()
        # The daemon may have been killed before it knew that its PASS was published.
        assert registers.fault_code < 100 or registers.fault_code == UNCONFIRMED, registers.words
        plc.until_status(DAEMON_CONNECTED)
        plc.acknowledge(plc.read())
    return plc


def deadline(port: int) -> Plc:
    """The daemon does not answer in time: the late verdict is not shown for a later part. Unit 7 has short limits."""
    plc = Plc(port, 7)
    plc.inspect("before")
    ask("freeze daemon", plc)
    registers = plc.until("the daemon to be away", lambda registers: registers.status & DAEMON_CONNECTED == 0)
    assert registers.status & FAULT and registers.status & READY == 0, registers.words
    ask("thaw daemon", plc)
    plc.trigger("late")
    ask("freeze daemon", plc)
    registers = plc.result()
    # It may have been judged before the daemon was frozen.
    late = registers.fault_code in (DEADLINE, DAEMON_AWAY)
    assert late or registers.fault_code < 100, registers.words
    assert not late or registers.status & OK == 0
    plc.acknowledge(registers)
    ask("thaw daemon", plc)
    for number in range(5):
        plc.inspect(f"next {number}")
    return plc


def server_restarts(port: int) -> Plc:
    """inspectd-plc is killed during parts at many moments; the PLC holds its bits and continues."""
    plc = Plc(port)
    for number in range(15):
        plc.trigger(f"killed {number}")
        if number % 3 == 2:
            plc.result()
        time.sleep(0.004 * (number % 5))
        ask("kill server")
        plc.close()
        ask("start server")
        plc.connect()
        plc.acknowledge(plc.result())
    # Killed at the end of a part: nothing is inspected again.
    plc.trigger("acknowledged")
    plc.record(plc.result())
    plc.write(TRIGGER | ACKNOWLEDGE)
    ask("kill server")
    plc.close()
    ask("start server")
    plc.connect()
    assert plc.cycle().status & (BUSY | RESULT_VALID | READY) == 0
    plc.inspect("after")
    # A PLC that holds the trigger of another part after the restart loses it.
    plc.trigger("abandoned")
    # Its key is stored then.
    plc.result()
    ask("kill server")
    plc.close()
    ask("start server")
    plc.connect()
    plc.part_text, plc.command = "other", plc.command + 1
    plc.write(TRIGGER)
    assert plc.cycle().status & (TRIGGER_LOST | BUSY | RESULT_VALID) == TRIGGER_LOST
    plc.recover()
    plc.inspect("last")
    # Stopped in order, too.
    ask("stop server")
    try:
        plc.read()
        raise AssertionError("the server is still there")
    except Lost:
        pass
    ask("start server")
    plc.close()
    plc.connect()
    plc.inspect("after the stop")
    return plc


def recipes(port: int) -> Plc:
    """Recipes are selected by number; unknown, broken and foreign ones are errors."""
    plc = Plc(port)
    plc.recipe = 1
    registers = plc.until_status(READY)
    assert (registers.active_recipe, registers.recipe_state) == (1, 1), registers.words
    plc.inspect("juice")
    plc.recipe = 2
    registers = plc.until_status(READY)
    assert registers.active_recipe == 2, registers.words
    # With the threshold of this recipe, every part is REJECT.
    assert plc.inspect("water").decision == REJECT
    for number, state in ((9, 3), (3, 4)):
        plc.recipe = number
        registers = plc.until_status(RECIPE_ERROR)
        assert registers.recipe_state == state and registers.status & READY == 0, registers.words
        plc.write(TRIGGER)
        assert plc.until_status(TRIGGER_LOST).status & BUSY == 0
        plc.write(0)
        plc.recipe = 1
        plc.recover()
    plc.inspect("juice again")
    # Another client activates another recipe.
    ask("activate water", plc)
    registers = plc.until_status(RECIPE_ERROR)
    assert registers.recipe_state == 5 and registers.active_recipe == 2, registers.words
    plc.recover()
    assert plc.read().active_recipe == 1
    plc.inspect("juice at last")
    return plc


def follow(port: int) -> Plc:
    """Mode follow: each verdict is a result, in the order of the journal, and none is left out."""
    plc = Plc(port, 5)

    def take(count: int) -> None:
        for _ in range(count):
            registers = plc.until_status(RESULT_VALID)
            plc.record(registers)
            plc.write(ACKNOWLEDGE)
            plc.until("RESULT_VALID off", lambda registers: registers.status & RESULT_VALID == 0)
            plc.write(0)

    take(10)
    # A result that was not acknowledged before the server was killed is delivered again.
    sequence = plc.until_status(RESULT_VALID).sequence
    ask("kill server")
    plc.close()
    ask("start server")
    plc.connect()
    known = [entry["sequence"] for entry in plc.ledger]
    while (again := plc.until_status(RESULT_VALID).sequence) != sequence:
        # The last acknowledgements were on their way when the server was killed.
        assert again in known, (again, sequence, known)
        plc.write(ACKNOWLEDGE)
        plc.until("RESULT_VALID off", lambda registers: registers.status & RESULT_VALID == 0)
        plc.write(0)
    take(5)
    ask("kill daemon", plc)
    plc.until("the daemon to be away", lambda registers: registers.status & DAEMON_CONNECTED == 0)
    ask("start daemon", plc)
    take(10)
    # A trigger has no meaning here.
    plc.until_status(RESULT_VALID)
    plc.write(TRIGGER)
    assert plc.cycle().status & TRIGGER_LOST
    plc.write(0)
    take(1)
    return plc
